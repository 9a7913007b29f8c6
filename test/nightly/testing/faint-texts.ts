/** Number of the visible texts of a page, and those that are faint, each with its ratio and colours. */
export interface SeenTexts {
  readonly seen: number;
  readonly faint: readonly string[];
}

/**
 * Expression for a browser, of SeenTexts. A text is faint if its contrast with its background is below that of WCAG 2.2
 * AA: 4.5, or 3 from 24 pixels on.
 */
export const SEEN_TEXTS = `(() => {
  const parse = (text) => {
    const found = /^rgba?\\((\\d+), (\\d+), (\\d+)(?:, ([\\d.]+))?\\)$/.exec(text);
    if (found === null) throw new Error("unknown colour " + text);
    return { rgb: found.slice(1, 4).map(Number), alpha: found[4] === undefined ? 1 : Number(found[4]) };
  };
  const over = (above, below) => above.rgb.map((part, i) => part * above.alpha + below[i] * (1 - above.alpha));
  const known = new Map([[null, [255, 255, 255]]]);
  const backgroundOf = (element) => {
    if (!known.has(element)) {
      const own = parse(getComputedStyle(element).backgroundColor);
      known.set(element, own.alpha === 1 ? own.rgb : over(own, backgroundOf(element.parentElement)));
    }
    return known.get(element);
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((part) => part / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const faint = new Map();
  let seen = 0;
  for (const element of document.body.querySelectorAll("*")) {
    const text = [...element.childNodes].find((node) => node.nodeType === 3 && node.data.trim() !== "");
    if (text === undefined || !element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true })) continue;
    seen += 1;
    const style = getComputedStyle(element);
    const below = backgroundOf(element);
    const [light, dark] = [luminance(over(parse(style.color), below)), luminance(below)].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    const wanted = parseFloat(style.fontSize) >= 24 ? 3 : 4.5;
    const kind = style.color + " on " + below.map(Math.round);
    if (ratio < wanted) faint.set(kind, text.data.trim().slice(0, 40) + ": " + ratio.toFixed(2) + ", " + kind);
  }
  return { seen, faint: [...faint.values()] };
})()`;
