"""What was marked by hand on the two portraits: outlines and points of the faces, in the portraits' own pixels."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from samples.making.shapes import Floats, path


@dataclass(frozen=True)
class Marks:
    """Points (n, 2); left and right as seen in the picture."""

    eyes: Floats
    nose_bridge: Floats
    nose_tip: Floats
    nose_base: Floats
    mouth: Floats  # its corners
    chin: Floats
    jaw: Floats  # from the left ear under the chin to the right ear
    forehead: Floats
    ear_left: Floats  # where a loop goes behind the ear: above, below
    ear_right: Floats
    outline: Floats  # a little outside head and neck
    hair: tuple[Floats, ...] = ()  # areas that hold the hair
    lenses: tuple[Floats, ...] = ()  # what glasses cover
    hat: Floats = field(default_factory=lambda: np.zeros((0, 2), np.float32))


COLLINS = Marks(
    eyes=path("203.5,101.5 248,103.5"),
    nose_bridge=path("224.5,109"),
    nose_tip=path("224,128"),
    nose_base=path("224,133.5"),
    mouth=path("203,141 245,140"),
    chin=path("223.5,178"),
    jaw=path(
        "180,118 181.5,128 183,140 185.5,150 190,159 199,168 210,174.5 223.5,178.5 236,176.5 247,171 256,162 "
        "263,150 267,138 270,128 271,118"
    ),
    forehead=path("180,100 186,80 205,72 235,74 262,85 271,104"),
    ear_left=path("177,119 176.5,128"),
    ear_right=path("274.5,124 275,132"),
    outline=path(
        "151,70 153,57 160,46 172,39 185,34 193,26 206,18 226,13 252,15 275,24 293,38 303,65 304,92 297,112 "
        "285,130 278,140 268,142 262,158 257,172 260,215 183,215 183,160 180,136 170,133 164,120 152,108 149,88"
    ),
    hair=(
        path(
            "140,60 150,30 200,5 250,5 300,30 312,70 306,105 284,131 273,131 270,110 268,92 250,84 232,80 205,79 "
            "192,75 186,70 181,90 180,115 178,121 170,121 150,110 140,85"
        ),
    ),
)

HOPPER = Marks(
    eyes=path("222,190 304,187"),
    nose_bridge=path("264,209"),
    nose_tip=path("267,241"),
    nose_base=path("266,253"),
    mouth=path("226,280 307,279"),
    chin=path("262,331"),
    jaw=path(
        "184,222 190,245 195,268 199,285 203,300 209,312 219,322 236,329 262,332 289,329 307,322 321,312 330,300 "
        "335,285 339,268 343,245 349,222"
    ),
    forehead=path("172,195 178,160 205,140 262,132 320,138 350,160 358,195"),
    ear_left=path("168,205 175,248"),
    ear_right=path("362,200 352,248"),
    outline=path(
        "147,125 147,103 155,92 173,86 176,64 190,48 217,36 224,26 262,20 302,28 308,38 335,50 352,68 356,86 "
        "370,93 372,176 380,196 376,240 368,268 358,294 338,314 338,350 196,350 198,314 186,302 160,288 156,256 "
        "149,212 148,190"
    ),
    hair=(
        path("150,186 160,160 176,146 184,150 176,172 164,192"),
        path("350,150 366,165 372,184 362,184 352,170"),
        path("156,262 168,262 186,270 200,300 186,303 158,288"),
        path("340,270 356,264 366,262 362,298 336,314 332,300"),
    ),
    lenses=(
        path(
            "181,179 190,198 197,214 206,225 220,231.5 236,229 246,219 250,206 255,192 275,190 278,200 284,213 "
            "294,224 308,228 322,226 333,219 340,208 343,194 352,184 345,169 320,166 296,170 278,180 252,182 "
            "240,176 215,173 192,175"
        ),
    ),
    hat=path(
        "135,190 135,90 160,78 168,45 262,10 354,45 362,80 385,90 385,182 368,180 362,166 350,152 331,140 "
        "301,132.5 262,130.5 231,132.5 200,138.5 176,149 160,166 152,190"
    ),
)
