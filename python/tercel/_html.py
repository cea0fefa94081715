"""Models, plans and fronts as notebooks show them."""
from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._tercel import CompressPoint, Model, PlanReport
    FrontBase = list[CompressPoint]
else:
    FrontBase = list


def table(head: list[str], rows: list[list[Any]]) -> str:
    def line(tag: str, cells: list[Any]) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"

    return "<table>" + line("th", head) + "".join(line("td", row) for row in rows) + "</table>"


def shape_text(shape: list[int], names: list[str]) -> str:
    return "x".join(str(e) if e >= 0 else (names[i] if i < len(names) and names[i] else "?") for i, e in enumerate(shape))


def of_model(model: Model) -> str:
    ports = [[kind, p.name, f"{p.dtype}[{shape_text(p.shape, p.axis_names)}]"]
             for kind, found in (("input", model.inputs), ("output", model.outputs)) for p in found]
    kinds: dict[str, list[int]] = {}
    for node in model.nodes:
        count = kinds.setdefault(node.op, [0, 0, 0])
        count[0] += 1
        count[1] += max(node.macs, 0)
        count[2] += node.parameters
    rows: list[list[Any]] = [[op, *counts] for op, counts in sorted(kinds.items(), key=lambda item: -item[1][1])]
    return (f"<p><b>{escape(model.name)}</b>: {model.parameters:,} parameters, {model.parameter_bytes:,} bytes of constants</p>"
            + table(["", "name", "type"], ports) + table(["operator", "nodes", "MACs", "parameters"], rows))


def of_plan(plan: PlanReport) -> str:
    """A bar for each step, as long as its part of the time."""
    total = sum(step.ms for step in plan.steps)
    lines = []
    for step in plan.steps:
        part = 100 * step.ms / total if total else 0
        why = "; ".join(step.why_nots)
        lines.append(f"<tr title='{escape(why, quote=True)}'><td>{escape(step.node)}</td><td>{escape(step.op)}</td>"
                     f"<td>{escape(step.variant)}</td><td>{escape(step.result)}</td><td>{step.ms:.3f}</td>"
                     f"<td><div style='background:#1b7f5c;height:.7em;width:{part:.1f}px'></div></td></tr>")
    return (f"<p>{len(plan.steps)} steps, {total:.2f} ms; engine {escape(plan.engine)}, {plan.threads} threads, {escape(plan.isa)}; "
            f"activations {plan.arena_bytes:,} bytes, weights {plan.weight_bytes:,}</p><table><tr><th>node</th><th>operator</th>"
            "<th>kernel</th><th>result</th><th>ms</th><th></th></tr>" + "".join(lines) + "</table>")


class Front(FrontBase):
    """The points of compression_front(), in the order of the ratios asked for; a chart in a notebook."""

    WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 560, 300, 50, 40, 10

    def rows(self) -> list[dict[str, Any]]:
        """One dict a point: pandas.DataFrame(front.rows())."""
        return [point.to_dict() for point in self]

    def svg(self) -> str:
        """Agreement (and top-1, with labels) in percent against the ratio."""
        points = sorted((p for p in self if not p.why_not), key=lambda p: p.ratio)
        if not points:
            return "<p>no point</p>"
        series = [("agreement", "#1b7f5c", [100 * p.agreement for p in points])]
        if points[0].top1 >= 0:
            series.append(("top-1", "#b3541e", [100 * p.top1 for p in points]))
        low = min(min(values) for _, _, values in series)
        low, high = min(low, 99.0), 100.0
        left, right = points[0].ratio, max(points[-1].ratio, points[0].ratio + 1e-9)

        def x(ratio: float) -> float:
            return self.LEFT + (self.WIDTH - self.LEFT - 20) * (ratio - left) / (right - left)

        def y(percent: float) -> float:
            return self.TOP + (self.HEIGHT - self.TOP - self.BOTTOM) * (high - percent) / (high - low)

        out = [f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {self.WIDTH} {self.HEIGHT}' width='{self.WIDTH}' "
               "font-size='11' role='img' aria-label='accuracy against size'>"]
        for percent in (low, (low + high) / 2, high):
            out.append(f"<line x1='{self.LEFT}' x2='{self.WIDTH - 20}' y1='{y(percent):.1f}' y2='{y(percent):.1f}' stroke='#ddd'/>"
                       f"<text x='{self.LEFT - 5}' y='{y(percent) + 4:.1f}' text-anchor='end'>{percent:.1f} %</text>")
        for point in points:
            out.append(f"<text x='{x(point.ratio):.1f}' y='{self.HEIGHT - 24}' text-anchor='middle'>{point.ratio:.1f}</text>")
        for name, colour, values in series:
            line = " ".join(f"{x(p.ratio):.1f},{y(v):.1f}" for p, v in zip(points, values))
            out.append(f"<polyline points='{line}' fill='none' stroke='{colour}' stroke-width='2'/>")
            for p, v in zip(points, values):
                out.append(f"<circle cx='{x(p.ratio):.1f}' cy='{y(v):.1f}' r='4' fill='{colour}'><title>{p.ratio:.2f}x, {p.bytes} "
                           f"bytes: {name} {v:.1f} %, KL {p.kl:.4f}</title></circle>")
        out.append(f"<text x='{self.WIDTH / 2}' y='{self.HEIGHT - 6}' text-anchor='middle'>times smaller; "
                   + ", ".join(f"<tspan fill='{colour}'>{name}</tspan>" for name, colour, _ in series) + "</text></svg>")
        return "".join(out)

    def _repr_html_(self) -> str:
        rows = [[f"{p.ratio:.2f}", p.bytes, f"{100 * p.agreement:.1f}", f"{p.kl:.4f}", f"{100 * p.top1:.1f}" if p.top1 >= 0 else "",
                 p.why_not] for p in self]
        return self.svg() + table(["ratio", "bytes", "agreement %", "KL", "top-1 %", ""], rows)
