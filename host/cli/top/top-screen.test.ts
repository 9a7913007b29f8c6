import fc from "fast-check";
import { expect, test } from "vitest";
import { containerNode, guestNode, SAMPLE } from "../../engine/tree/testing/sample-tree.ts";
import { treeRows } from "../../engine/tree/tree-rows.ts";
import { topScreen } from "./top-screen.ts";
import { FIRST_STATE, openPane, press, type TopState } from "./top-state.ts";

const NARROW = { rows: 24, columns: 80 };
const screen = (state: TopState, size = NARROW, guests = SAMPLE) =>
  topScreen(state, guests, size).map(({ text }) => text.trimEnd());
const names = (parts: Partial<TopState>) => treeRows(SAMPLE, { ...FIRST_STATE, ...parts }).map(({ name }) => name);

test("fits 80×24, with the image and command as far as there is room", () => {
  const lines = screen({ ...FIRST_STATE, selected: "alpha/web" });
  expect(lines).toHaveLength(24);
  expect(lines.slice(0, 9)).toEqual([
    "guestctl top: 2 guests, 2 containers, by name",
    "  GUEST/CONTAINER/PROCESS  STATE     CPU%   MEM  PSI% DISK/s  NET/s  STD/s UNACK",
    "  - alpha  agent restarte~ live       140  300M  10.0      -      -   4.0K   100",
    "    - cache                exit 137  90.0  5.0M     -      -      -      -     -",
    "        pid 1              running      -     -     -      -      -      -     -",
    ">   - web  nginx:1.27      running   50.0   64M  25.0   2.0K      -   4.0K   100",
    "        pid 12  nginx -g ~ running      -     -     -      -      -      -     -",
    "        x-backup  tar c /~ running      -     -     -      -      -      -     -",
    "    beta  connect ECONNRE~ lost         -     -     -      -      -      -     -",
  ]);
  expect(lines.at(-1)).toMatch(/^\? help .* q quit$/);
});

test("a wide screen has a column for each direction and kind of pressure", () => {
  const [, header, , , , web] = screen({ ...FIRST_STATE, selected: "beta" }, { rows: 30, columns: 160 });
  expect(header).toMatch(
    /STATE +CPU% +MEM LIMIT TASKS PSI-C PSI-M PSI-I READ\/s WRIT\/s RECV\/s SENT\/s +IN\/s +OUT\/s UNACK$/,
  );
  expect(web).toMatch(/web {2}nginx:1\.27 +running +50\.0 +64M +128M +- +- +25\.0 +- +2\.0K +10 +- +- +1 +4\.0K +100$/);
});

test("no line is wider than the screen and none is too many, whatever its size and the names", () => {
  const size = fc.record({ rows: fc.integer({ min: 1, max: 60 }), columns: fc.integer({ min: 1, max: 250 }) });
  const text = fc.string({ unit: "binary-ascii", maxLength: 60 });
  fc.assert(
    fc.property(size, text, text, fc.constantFrom("tree", "filter", "pane"), (shown, name, filter, mode) => {
      const guests = [guestNode(name, [containerNode(name, { image: name })]), ...SAMPLE];
      const begun: TopState = { ...FIRST_STATE, filter };
      const state: TopState =
        mode === "pane" ? openPane(begun, name, [name, name]) : { ...begun, mode: mode as "tree" };
      const lines = topScreen(state, guests, shown);
      expect(lines.length).toBeLessThanOrEqual(shown.rows);
      for (const line of lines) {
        expect(line.text.length).toBe(shown.columns);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: what a guest must not send to the terminal
        expect(line.text).not.toMatch(/[\x00-\x1f\x7f]/);
      }
    }),
  );
});

test("the selected line stays on the screen among a thousand", () => {
  const guests = [
    guestNode(
      "one",
      Array.from({ length: 1000 }, (_, at) => containerNode(`c${1000 + at}`)),
    ),
  ];
  for (const at of [1000, 1500, 1999]) {
    const lines = screen({ ...FIRST_STATE, selected: `one/c${at}` }, NARROW, guests);
    expect(lines.filter((line) => line.startsWith(">")).join()).toContain(`- c${at} `);
  }
});

test("without guests it says how to start one", () => {
  expect(screen(FIRST_STATE, NARROW, [])[2]).toBe("  no guest is running; start one with guestctl run or boot");
});

test("sorts by the largest first, on each level", () => {
  expect(names({ sort: "cpu" })).toEqual(["alpha", "cache", "pid 1", "web", "pid 12", "x-backup", "beta"]);
  expect(names({ sort: "memory" }).slice(0, 2)).toEqual(["alpha", "web"]);
  expect(names({ sort: "io" })[1]).toBe("web");
});

test("a filter shows matches with the lines above and below them, also those that are folded", () => {
  const folded = new Set(["alpha"]);
  expect(names({ folded })).toEqual(["alpha", "beta"]);
  expect(names({ folded, filter: "NGINX:" })).toEqual(["alpha", "web", "pid 12", "x-backup"]);
  expect(names({ filter: "backup" })).toEqual(["alpha", "web", "x-backup"]);
  expect(names({ filter: "lost" })).toEqual(["beta"]);
  expect(names({ filter: "nothing" })).toEqual([]);
});

test("a pane scrolls, and follows lines that are added once it shows the end", () => {
  const lines = Array.from({ length: 50 }, (_, at) => `line ${at}`);
  let state = openPane(FIRST_STATE, "logs", lines);
  expect(screen(state)[21]).toBe("line 49");
  state = press(state, "home", [], 21).state;
  expect(screen(state)[1]).toBe("line 0");
  state = press(state, "end", [], 21).state;
  expect(state.pane?.from).toBeUndefined();
  expect(screen(openPane(FIRST_STATE, "x", ["y".repeat(100)], 0), NARROW).slice(1, 3)).toEqual([
    "y".repeat(80),
    "y".repeat(20),
  ]);
});
