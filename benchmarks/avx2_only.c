/* Preloaded into a process, it answers CPUID as a CPU does whose best instructions are AVX2 and FMA (Linux, x86-64).
 *
 * The kernel traps the instruction (arch_prctl, "cpuid faulting"); what the real CPU says is given with everything after
 * AVX2 taken off. So every library chooses as it would there, TensorFlow's use of oneDNN included, which no variable of
 * theirs achieves. Only what asks before this is loaded, the C library's own memory functions, keeps what it has.
 */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define BIT(n) (1u << (n))

static struct sigaction before;

static void let(unsigned long allowed) { syscall(SYS_arch_prctl, ARCH_SET_CPUID, allowed); }

static void take_off(uint32_t leaf, uint32_t sub, uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
    if (leaf == 7 && sub == 0) {
        /* AVX-512 F, DQ, IFMA, PF, ER, CD, BW, VL */
        *b &= ~(BIT(16) | BIT(17) | BIT(21) | BIT(26) | BIT(27) | BIT(28) | BIT(30) | BIT(31));
        /* VBMI, VBMI2, GFNI, VAES, VPCLMULQDQ, VNNI, BITALG, VPOPCNTDQ */
        *c &= ~(BIT(1) | BIT(6) | BIT(8) | BIT(9) | BIT(10) | BIT(11) | BIT(12) | BIT(14));
        /* 4VNNIW, 4FMAPS, VP2INTERSECT, AMX-BF16, AVX512-FP16, AMX-TILE, AMX-INT8 */
        *d &= ~(BIT(2) | BIT(3) | BIT(8) | BIT(22) | BIT(23) | BIT(24) | BIT(25));
    } else if (leaf == 7 && sub == 1) {
        *a &= ~(BIT(4) | BIT(5) | BIT(21) | BIT(23));                   /* AVX-VNNI, AVX512-BF16, AMX-FP16, AVX-IFMA */
        *d &= ~(BIT(4) | BIT(5) | BIT(8) | BIT(10) | BIT(19));          /* AVX-VNNI-INT8, NE-CONVERT, and later ones */
    } else if (leaf == 0xd && sub == 0) {
        *a &= 7; /* state that is saved: x87, SSE, AVX */
    }
}

static void answer(int signal, siginfo_t *what, void *context)
{
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    const unsigned char *at = (const unsigned char *)r[REG_RIP];
    if (what->si_code != SI_KERNEL || at[0] != 0x0f || at[1] != 0xa2) {
        sigaction(signal, &before, NULL); /* a fault of another kind: it comes again, and meets who was here before */
        return;
    }
    uint32_t leaf = (uint32_t)r[REG_RAX], sub = (uint32_t)r[REG_RCX], a = leaf, b = 0, c = sub, d = 0;
    let(1);
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    let(0);
    take_off(leaf, sub, &a, &b, &c, &d);
    r[REG_RAX] = a, r[REG_RBX] = b, r[REG_RCX] = c, r[REG_RDX] = d;
    r[REG_RIP] += 2;
}

__attribute__((constructor)) static void begin(void)
{
    struct sigaction mine = {.sa_sigaction = answer, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};
    sigemptyset(&mine.sa_mask);
    sigaction(SIGSEGV, &mine, &before);
    if (syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0UL)) {
        fputs("this kernel or CPU cannot trap CPUID\n", stderr);
        _exit(97);
    }
}
