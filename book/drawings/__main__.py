"""Write the drawings: python -m book.drawings."""

from book.drawings import FOLDER, drawings

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for drawing in drawings():
        path = FOLDER / f"{drawing.name}.svg"
        path.write_text(drawing.svg(), encoding="utf-8", newline="\n")
    print(f"{len(drawings())} drawings in {FOLDER}")
