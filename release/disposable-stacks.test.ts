import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";

/** Prints what the classes do, one line each. Their errors' messages are their own. */
const SCENARIO = `
const log = (...words) => console.log(...words.map((word) => word instanceof Error ? describe(word) : word));
const describe = (error) => [error.name, error.suppressed && describe(error.error) + " over " + describe(error.suppressed)].join(" ");
const named = (name) => Object.assign(new Error(name), { name });
const fails = (name) => () => { throw named(name); };
const tried = (run) => { try { return run(); } catch (error) { return error; } };
for (const dispose of [Symbol.dispose, Symbol.asyncDispose]) {
  const Stack = dispose === Symbol.dispose ? DisposableStack : AsyncDisposableStack;
  const stack = new Stack();
  stack.defer(() => log("first"));
  stack.defer(fails("A"));
  log(stack.adopt(7, (value) => log("adopted", value)), stack.use(undefined), stack.use(null));
  log(stack.use({ name: "used", [dispose]() { log(this.name); } }).name);
  log(stack.use({ name: "sync", [Symbol.dispose]() { log(this.name); } }).name);
  stack.defer(fails("B"));
  stack.defer(fails("C"));
  log(tried(() => stack.use({})), tried(() => stack.defer(1)));
  const moved = stack.move();
  log(stack.disposed, moved.disposed, tried(() => stack.defer(log)), tried(() => stack.move()));
  try { await stack[dispose](); await moved[dispose](); } catch (error) { log(error, error instanceof SuppressedError); }
  log(moved.disposed, await moved[dispose]());
}
`;

function output(head: string): string {
  return execFileSync(process.execPath, ["--input-type=module", "-e", `${head}${SCENARIO}`], { encoding: "utf8" });
}

test("disposal by the classes for Node 22 is as by Node's own", () => {
  const remove =
    "delete globalThis.SuppressedError; delete globalThis.DisposableStack; delete globalThis.AsyncDisposableStack;";
  const module = JSON.stringify(new URL("disposable-stacks.js", import.meta.url).href);
  const own = output(
    `${remove} const { DisposableStack, AsyncDisposableStack, SuppressedError } = await import(${module});`,
  );
  expect(own).toContain("used");
  expect(own).toBe(output(""));
});
