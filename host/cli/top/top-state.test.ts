import { expect, test } from "vitest";
import { SAMPLE } from "../../engine/tree/testing/sample-tree.ts";
import { treeRows } from "../../engine/tree/tree-rows.ts";
import { FIRST_STATE, press, selectedRow, type TopAction, type TopState } from "./top-state.ts";

/** Presses keys one after the other; returns the last state and all actions. */
function type(keys: readonly string[], from: TopState = FIRST_STATE) {
  const actions: TopAction[] = [];
  let state = from;
  for (const key of keys) {
    const result = press(state, key, treeRows(SAMPLE, state), 10);
    state = result.state;
    if (result.action !== undefined) actions.push(result.action);
  }
  return { state, actions, selected: selectedRow(state, treeRows(SAMPLE, state))?.key };
}

test("arrows, Home and End move the selection, and stop at both ends", () => {
  expect(type([]).selected).toBe("alpha");
  expect(type(["down", "down"]).selected).toBe("alpha/cache/");
  expect(type(["up"]).selected).toBe("alpha");
  expect(type(["end", "down"]).selected).toBe("beta");
  expect(type(["end", "home"]).selected).toBe("alpha");
  expect(type(["pagedown"]).selected).toBe("beta");
});

test("a line is folded and unfolded, and left goes up from one that can't be", () => {
  const folded = type(["enter"]);
  expect(treeRows(SAMPLE, folded.state).map(({ key, isFolded }) => [key, isFolded])).toEqual([
    ["alpha", true],
    ["beta", undefined],
  ]);
  expect(treeRows(SAMPLE, type(["right"], folded.state).state)).toHaveLength(7);
  expect(type(["down", "down", "left"]).selected).toBe("alpha/cache");
});

test("letters typed after / are the filter, not commands; Enter keeps it and Esc forgets it", () => {
  const typed = type(["/", ..."qks", "backspace"]);
  expect([typed.state.filter, typed.state.mode, typed.actions]).toEqual(["qk", "filter", []]);
  expect(type(["enter"], typed.state).state).toMatchObject({ mode: "tree", filter: "qk" });
  expect(type(["escape"], typed.state).state).toMatchObject({ mode: "tree", filter: "" });
});

test("capital letters and < > choose the order", () => {
  expect(type(["M"]).state.sort).toBe("memory");
  expect(type(["M", ">"]).state.sort).toBe("io");
  expect(type(["<"]).state.sort).toBe("streams");
});

test("kill asks first, and only y kills", () => {
  const asked = type(["down", "k"]);
  expect([asked.state.mode, asked.actions]).toEqual(["confirm", []]);
  expect(type(["y"], asked.state).actions).toMatchObject([{ type: "kill", row: { key: "alpha/cache" } }]);
  for (const key of ["n", "Y", "enter", "escape", "k", "q"]) {
    expect(type([key], asked.state)).toMatchObject({
      actions: [],
      state: { mode: "tree", message: "nothing was killed" },
    });
  }
});

test("logs and describe act on any line, shell and kill only on containers and processes", () => {
  expect(type(["l", "d"]).actions.map(({ type }) => type)).toEqual(["logs", "describe"]);
  expect(type(["s"])).toMatchObject({ actions: [], state: { message: "shell: select a container" } });
  expect(type(["k"])).toMatchObject({ actions: [], state: { message: "kill: select a container" } });
  expect(type(["down", "s"]).actions).toMatchObject([{ type: "shell", row: { container: { id: "cache" } } }]);
});

test("q and ^C quit, ^C from everywhere; q closes the help", () => {
  expect(type(["q"]).actions).toEqual([{ type: "quit" }]);
  for (const before of [["/"], ["?"], ["down", "k"]]) {
    expect(type([...before, "ctrl-c"]).actions).toEqual([{ type: "quit" }]);
  }
  const help = type(["?"]);
  expect(help.state.pane?.lines.join("\n")).toContain("kill the container or exec, after confirmation");
  expect(type(["q"], help.state)).toMatchObject({ actions: [{ type: "closePane" }], state: { mode: "tree" } });
});
