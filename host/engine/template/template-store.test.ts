import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { temporaryDirectory } from "../../../image/testing/tree.ts";
import { usesOf } from "../../folder-uses.ts";
import { FILES } from "../../vm/snapshot/manifest.ts";
import { addTemplate, templateLimit } from "./add-template.ts";
import { TemplateStore } from "./template-store.ts";

let folder: ReturnType<typeof temporaryDirectory>;
let root = "";
let store: TemplateStore;
beforeEach(() => {
  folder = temporaryDirectory();
  chmodSync(folder.path, 0o700);
  root = join(folder.path, "templates");
  store = new TemplateStore(root);
});
afterEach(() => folder[Symbol.dispose]());

/** Writes a snapshot with memory of this size. */
async function write(directory: string, bytes = 100_000): Promise<void> {
  mkdirSync(directory, { mode: 0o700 });
  writeFileSync(join(directory, FILES.manifest), '{"format":1,"guest":"made"}');
  writeFileSync(join(directory, FILES.memory), Buffer.alloc(bytes, 1));
}

/** Adds a template that was used at this time, in seconds since 1970. */
async function add(name: string, usedAt: number): Promise<void> {
  const { path } = await store.create(name, write);
  utimesSync(usesOf(path), usedAt, usedAt);
}

test("a template appears once it is complete, for its owner only", async () => {
  const made = await store.create("one", async (directory) => {
    await write(directory);
    expect(await store.list()).toEqual([]);
  });
  expect(made).toMatchObject({ name: "one", guests: [], manifest: { guest: "made" } });
  expect(made.size).toBeGreaterThanOrEqual(100_000);
  expect([root, made.path].map((path) => statSync(path).mode & 0o777)).toEqual([0o700, 0o700]);
  expect((await store.list()).map(({ name }) => name)).toEqual(["one"]);
  expect(readdirSync(root)).toEqual(["named"]);
});

test("nothing stays of a template whose creation fails", async () => {
  const failing = store.create("one", async (directory) => {
    await write(directory);
    throw new Error("the guest died");
  });
  await expect(failing).rejects.toThrow("the guest died");
  expect(readdirSync(root)).toEqual(["named"]);
  expect(await store.find("one")).toBeUndefined();
});

test("a name that is taken is refused, also if another process takes it meanwhile", async () => {
  const taken = /^template one: it already exists; remove it with guestctl template rm one$/;
  const late = store.create("one", async (directory) => {
    await store.create("one", write);
    await write(directory);
  });
  await expect(late).rejects.toThrow(taken);
  await expect(store.create("one", write)).rejects.toThrow(taken);
  expect(readdirSync(root)).toEqual(["named"]);
});

test.each(["", "..", "../x", "a/b", "A", ".hidden", "x".repeat(64), "a\n"])("refuses the name %j", async (name) => {
  await expect(store.create(name, write)).rejects.toThrow("not a valid name; use up to 63 lower-case letters");
});

test("a template isn't removed while a guest is being started from it", async () => {
  const made = await store.create("one", write);
  {
    using _use = store.use(made, "web");
    expect((await store.get("one")).guests).toEqual(["web"]);
    expect(await store.remove(made)).toBe(false);
  }
  expect(await store.remove(made)).toBe(true);
  expect(() => store.use(made, "web")).toThrow("template one: another process has removed it; create it again");
  await expect(store.get("one")).rejects.toThrow("template one: no such template; guestctl template ls lists them");
  expect(await store.remove(made)).toBe(true);
  expect(readdirSync(root)).toEqual(["named"]);
});

test("a damaged template is listed, and can be removed", async () => {
  const made = await store.create("one", async (directory) => mkdirSync(directory));
  expect(made.manifest).toBeUndefined();
  expect(await store.remove(made)).toBe(true);
});

test("the next process removes what a killed creator left, which was never visible", async () => {
  const script = `
    const { TemplateStore } = await import(${JSON.stringify(join(import.meta.dirname, "template-store.ts"))});
    const { mkdirSync, writeFileSync } = await import("node:fs");
    await new TemplateStore(process.argv[1]).create("one", async (directory) => {
      mkdirSync(directory);
      writeFileSync(directory + "/memory", "half");
      console.log("half made");
      await new Promise((resolve) => setTimeout(resolve, 60_000));
    });`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script, root], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(createInterface(child.stdout), "line");
  child.kill("SIGKILL");
  await once(child, "close");
  expect(await store.list()).toEqual([]);
  expect(readdirSync(root).filter((name) => name.startsWith("creating-"))).toHaveLength(1);
  await store.create("one", write);
  await expect.poll(() => readdirSync(root)).toEqual(["named"]);
});

describe("the store's limit", () => {
  test("removes the templates that were not used for the longest time, but none in use", async () => {
    for (const [index, name] of ["oldest", "used", "older"].entries()) await add(name, 1000 + index);
    using _use = store.use(await store.get("used"), "web");
    const [first] = await store.list();
    const { template, removed } = await addTemplate(store, "new", write, 2 * (first?.size ?? 0));
    expect(template.name).toBe("new");
    expect(removed).toEqual(["oldest", "older"]);
    expect((await store.list()).map(({ name }) => name).sort()).toEqual(["new", "used"]);
  });

  test("refuses a template that alone is beyond it, and keeps the others", async () => {
    await add("old", 1000);
    await expect(addTemplate(store, "new", write, 1000)).rejects.toThrow(
      /^template new: its \d+ bytes are more than the 1000 of the store; .* set GUESTCTL_TEMPLATE_LIMIT$/,
    );
    expect((await store.list()).map(({ name }) => name)).toEqual(["old"]);
  });

  test("is a size in GUESTCTL_TEMPLATE_LIMIT, or 10 GiB", () => {
    expect([templateLimit(""), templateLimit("20g"), templateLimit("0")]).toEqual([10 * 2 ** 30, 20 * 2 ** 30, 0]);
    expect(() => templateLimit("many")).toThrow("GUESTCTL_TEMPLATE_LIMIT=many: expected a size such as 20g");
  });
});
