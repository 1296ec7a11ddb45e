"""Writes the pages' fonts beside this file, from two npm packages unpacked where it is called.

npm pack inter-ui@4.1.1 @fontsource/noto-sans-math@5.3.0
for package in *.tgz; do tar xzf "$package"; done
python subset.py        # fonttools 4.68, brotli 1.2
"""

import string
import unicodedata
from pathlib import Path

from fontTools import subset

HERE = Path(__file__).parent
LETTERS = [*range(0x20, 0x7F), *range(0xA0, 0x180), *range(0x370, 0x400)]  # Latin, Greek
SIGNS = [*range(0x2000, 0x20D0), *range(0x2100, 0x2300), *range(0x25A0, 0x2600)]
MATHS = "◐◑∀∃∅∇∈∉∋∏∑∓∗∘∝∠∥∧∨∩∪∫∼≃≅≡≢≪≫⊂⊃⊆⊇⊕⊗⊥⌈⌉⌊⌋⟨⟩"  # those that Inter lacks

# Every digit is its tabular form, whatever the style sheet says; the check mark and the ballot x
# are also the heavy ones.
FORMS = {ord(d): f"{unicodedata.name(d).split()[1].lower()}.tf" for d in string.digits}
FORMS |= {ord("✔"): "dngb_check", ord("✘"): "dngb_ballotx"}


def write(source: str, name: str, characters: list[int], forms: dict[int, str]) -> None:
    options = subset.Options(flavor="woff2", layout_features=["kern"], hinting=False)
    font = subset.load_font(source, options)
    for table in font["cmap"].tables:
        if table.isUnicode():
            table.cmap |= forms
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=characters)
    subsetter.subset(font)
    subset.save_font(font, HERE / name, options)


if __name__ == "__main__":
    for weight in ("Regular", "Bold"):
        name = f"Inter-{weight}.woff2"
        write(f"package/web/{name}", name, [*LETTERS, *SIGNS, *FORMS], FORMS)
    maths = "package/files/noto-sans-math-latin-400-normal.woff2"
    write(maths, "NotoSansMath.woff2", [ord(c) for c in MATHS], {})
