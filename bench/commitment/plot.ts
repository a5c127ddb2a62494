/** How does the bill depend on the commitment? An SVG that a browser shows as it is. */
import type { Point } from "./study.ts";

const WIDTH = 720;
const HEIGHT = 440;
const MARGIN = { left: 64, right: 24, top: 40, bottom: 56 };
const TICKS = 6;
const LINES = [
  { name: "all at list price", field: "list", style: 'stroke="#999" stroke-dasharray="6 4"' },
  { name: "offline optimum", field: "optimum", style: 'stroke="#2a9d5c" stroke-width="5" stroke-opacity="0.45"' },
  { name: "Tandem", field: "total", style: 'stroke="#1f4e9c" stroke-width="2"' },
] as const;

export function plot(points: readonly Point[], title: string): string {
  const right = Math.max(...points.map(({ usdPerHour }) => usdPerHour));
  const top = niceAbove(Math.max(...points.flatMap(({ total, optimum, list }) => [total, optimum, list])));
  const x = (value: number) => MARGIN.left + (value / right) * (WIDTH - MARGIN.left - MARGIN.right);
  const y = (value: number) => HEIGHT - MARGIN.bottom - (value / top) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const parts: string[] = [];
  for (let i = 0; i <= TICKS; i++) {
    const [across, up] = [(right * i) / TICKS, (top * i) / TICKS];
    const [left, end] = [MARGIN.left, WIDTH - MARGIN.right];
    parts.push(`<line x1="${left}" x2="${end}" y1="${y(up)}" y2="${y(up)}" stroke="#e5e5e5"/>`);
    parts.push(text(left - 8, y(up) + 4, up.toFixed(0), "end"));
    parts.push(text(x(across), HEIGHT - MARGIN.bottom + 18, across.toFixed(0), "middle"));
  }
  for (const [i, { name, field, style }] of LINES.entries()) {
    const path = points.map((point) => `${x(point.usdPerHour).toFixed(1)},${y(point[field]).toFixed(1)}`).join(" ");
    parts.push(`<polyline fill="none" ${style} points="${path}"/>`);
    const [at, row] = [MARGIN.left + 24, HEIGHT - MARGIN.bottom - 64 + i * 20];
    parts.push(
      `<line x1="${at}" x2="${at + 32}" y1="${row}" y2="${row}" ${style}/>`,
      text(at + 40, row + 4, name, "start"),
    );
  }
  for (const { usdPerHour, total } of points) {
    parts.push(`<circle cx="${x(usdPerHour).toFixed(1)}" cy="${y(total).toFixed(1)}" r="3.5" fill="#1f4e9c"/>`);
  }
  parts.push(text(MARGIN.left, 24, title, "start"));
  parts.push(text((WIDTH + MARGIN.left) / 2, HEIGHT - 12, "commitment, US dollars an hour", "middle"));
  parts.push(text(8, MARGIN.top - 8, "bill, US dollars", "start"));
  const size = `width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}"`;
  const style = 'font-family="sans-serif" font-size="12" fill="#333"';
  const all = parts.join("\n");
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} ${style}>\n<rect width="100%" height="100%" fill="#fff"/>\n${all}\n</svg>\n`;
}

function text(x: number, y: number, words: string, anchor: "start" | "middle" | "end"): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${words}</text>`;
}

/** The next of 1, 2, 3, 4, 6 and 8 times a power of ten, so that the ticks are round. */
function niceAbove(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1.2, 1.5, 1.8, 2.4, 3, 4.2, 6, 9, 12].find((one) => one * power >= value) ?? 12) * power;
}
