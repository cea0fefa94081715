#!/usr/bin/env python3
"""Draws docs/compression.svg from the first table of docs/results/compression.md: agreement against ratio."""
import pathlib
import re

DOCS = pathlib.Path(__file__).resolve().parent.parent / "docs"
LEFT, TOP, WIDTH, HEIGHT = 60, 20, 520, 260
RATIOS, AGREEMENTS = (0, 30), (70, 100)  # axes
COLOURS = ("#0b6e99", "#c0552d", "#5b7f2b")


def x_of(ratio: float) -> float:
    return LEFT + WIDTH * (ratio - RATIOS[0]) / (RATIOS[1] - RATIOS[0])


def y_of(agreement: float) -> float:
    return TOP + HEIGHT * (AGREEMENTS[1] - agreement) / (AGREEMENTS[1] - AGREEMENTS[0])


text = (DOCS / "results" / "compression.md").read_text()
table = text[text.index("## Ratio against answers"):].split("\n\n")[2].splitlines()
names = [cell.strip() for cell in table[0].split("|")[2:-1]]
rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table[2:]]

svg = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 130} {TOP + HEIGHT + 50}" '
       'font-family="sans-serif" font-size="13" role="img">',
       '<title>Pictures that keep their class, against compression ratio</title>',
       '<rect width="100%" height="100%" fill="white"/>']
for agreement in range(AGREEMENTS[0], AGREEMENTS[1] + 1, 5):
    y = y_of(agreement)
    svg.append(f'<path d="M{LEFT} {y:.1f}h{WIDTH}" stroke="#ddd"/>')
    svg.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#444">{agreement} %</text>')
for ratio in range(5, RATIOS[1] + 1, 5):
    svg.append(f'<text x="{x_of(ratio):.1f}" y="{TOP + HEIGHT + 18}" text-anchor="middle" fill="#444">{ratio}x</text>')
svg.append(f'<text x="{LEFT + WIDTH / 2}" y="{TOP + HEIGHT + 40}" text-anchor="middle" fill="#444">'
           'ONNX file / .tercel file</text>')
for i, (name, colour) in enumerate(zip(names, COLOURS)):
    points = [(float(row[0]), float(re.match(r"[\d.]+", row[i + 1])[0])) for row in rows]
    shown = [(x_of(r), y_of(a)) for r, a in points if a >= AGREEMENTS[0]]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in shown)
    svg.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
    svg += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in shown]
    x, y = shown[-1]
    svg.append(f'<text x="{x + 8:.1f}" y="{y + 4:.1f}" fill="{colour}">{name}</text>')
svg.append("</svg>")
(DOCS / "compression.svg").write_text("\n".join(svg) + "\n")
