import type { IDisposable, Terminal } from "@xterm/xterm";

/**
 * Swallows the queries of programs for which `isPast` is true while they are parsed: output that is shown again was answered
 * when it was new, and a second answer would be input that the user didn't type.
 */
export function swallowPastQueries({ parser }: Terminal, isPast: () => boolean): IDisposable {
  const csi = [
    ...[{ final: "c" }, { prefix: ">", final: "c" }, { prefix: "=", final: "c" }],
    ...[{ final: "n" }, { prefix: "?", final: "n" }, { final: "t" }],
    ...[
      { intermediates: "$", final: "p" },
      { prefix: "?", intermediates: "$", final: "p" },
    ],
  ].map((id) => parser.registerCsiHandler(id, isPast));
  const colors = [4, 10, 11, 12].map((id) => parser.registerOscHandler(id, (text) => isPast() && text.includes("?")));
  const settings = parser.registerDcsHandler({ intermediates: "$", final: "q" }, isPast);
  return {
    dispose() {
      for (const each of [...csi, ...colors, settings]) each.dispose();
    },
  };
}
