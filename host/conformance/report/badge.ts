import type { Run } from "../results.ts";
import { countLevel, isConformant } from "../verdict.ts";
import { escapeText } from "./escape.ts";

/** Average width of a character of 11 px Verdana. */
const CHARACTER_PX = 6.6;
const PADDING_PX = 10;

/** Returns a badge as SVG: how many MUSTs passed, green if the run is conformant. */
export function badge(run: Run): string {
  const { passed, of } = countLevel(run.results, "must");
  const label = "kata contract";
  const value = `${passed}/${of} MUST`;
  const [left, right] = [label, value].map((text) => Math.round(text.length * CHARACTER_PX) + 2 * PADDING_PX);
  const width = (left ?? 0) + (right ?? 0);
  const colour = isConformant(run) ? "#2e7d32" : "#b3261e";
  const text = (content: string, x: number) => `<text x="${x}" y="14">${escapeText(content)}</text>`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="20" role="img" aria-label="${escapeText(`${label}: ${value}`)}">`,
    `<rect width="${width}" height="20" rx="3" fill="#444"/>`,
    `<path d="M${left} 0h${(right ?? 0) - 3}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3H${left}z" fill="${colour}"/>`,
    '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">',
    text(label, (left ?? 0) / 2),
    text(value, (left ?? 0) + (right ?? 0) / 2),
    "</g></svg>",
    "",
  ].join("\n");
}
