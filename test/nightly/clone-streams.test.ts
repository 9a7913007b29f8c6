import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { copyIn } from "../../host/client/streams/copy-in.ts";
import type { CopyOptions } from "../../host/client/streams/copy-options.ts";
import { copyOut } from "../../host/client/streams/copy-out.ts";
import { forwardFrom, type LocalForward } from "../../host/client/streams/local-forward.ts";
import { SandboxGuest } from "../../host/engine/guest/sandbox-guest.ts";
import { blockRootOf } from "../../host/engine/image/disk/block-root.ts";
import { BlockStore } from "../../host/engine/image/disk/block-store.ts";
import { makeBusyboxImage } from "../../host/engine/image/make-image.ts";
import { makeTemplate } from "../../host/engine/template/make-template.ts";
import { type StoredTemplate, TemplateStore } from "../../host/engine/template/template-store.ts";
import { randomBytesOf, randomFrom } from "../../lib/seeded-random.ts";
import { makeWorkDirectory } from "../clean-up/work-directory.ts";
import { STREAMS_PORT } from "./testing/random-container.ts";
import {
  CONTAINER,
  expectAllStreams,
  expectOtherEpoch,
  FIRST_PROCESS,
  Follower,
  type Positions,
  startProcesses,
  takeMore,
} from "./testing/stream-processes.ts";
import { execIn, startOnDisk } from "./testing/template-machine.ts";

const MEMORY_MIB = 384;
/** Port of a server in the container. */
const PORT = 8080;
const FILES = 300;
const BIG_BYTES = 16 << 20;
/** Bytes of a copy after which the snapshot is taken. */
const COPIED_BYTES = 2 << 20;

/** A guest with processes and copies in progress is saved once; all tests continue from that moment. */
describe("streams over snapshots", () => {
  let directory = "";
  let tree = "";
  let store: TemplateStore;
  let parent: SandboxGuest;
  let moment: StoredTemplate;
  let positions: Positions;
  let staying: Awaited<ReturnType<typeof startProcesses>>["staying"];
  let local: LocalForward;
  let cutOff: Promise<unknown>;
  let copies: readonly ReturnType<typeof startCopy>[] = [];

  const streams = ({ guest }: SandboxGuest) => guest.address(STREAMS_PORT);
  const touch = (guest: SandboxGuest) => (path: string) => execIn(guest, CONTAINER, ["touch", path]);
  const restore = (name: string, { path } = moment) => SandboxGuest.restore(path, { name, hasNoFolder: true });

  beforeAll(async () => {
    directory = makeWorkDirectory("clone-streams");
    tree = join(directory, "tree");
    writeTree(tree);
    const image = join(directory, "busybox.tar");
    await makeBusyboxImage(image);
    const roots = new BlockStore(join(directory, "roots"));
    using root = await blockRootOf({ path: image }, { user: CONTAINER, store: roots });
    store = new TemplateStore(join(directory, "templates"));
    const template = await store.create("template", (path) =>
      makeTemplate(path, {
        name: "template",
        memoryMib: MEMORY_MIB,
        prepare: (client, guest) => startOnDisk(client, guest, CONTAINER, root, { args: FIRST_PROCESS }),
      }),
    );
    parent = await restore("parent", template);
    await copyIn(streams(parent), tree, { container: CONTAINER, path: "/root/tree" });
    const appears = async (path: string) =>
      void (await execIn(parent, CONTAINER, ["sh", "-c", `until [ -e ${path} ]; do sleep 0.1; done`]));
    ({ positions, staying } = await startProcesses(streams(parent), appears));
    await execIn(parent, CONTAINER, ["sh", "-c", `cp -r /root/tree/small /root/web; httpd -p ${PORT} -h /root/web`]);
    local = await forwardFrom(streams(parent), {}, { container: CONTAINER, port: PORT });
    const open = connect(local.port, "127.0.0.1");
    open.write("GET /"); // and no more, so that the server waits
    cutOff = once(open, "close").catch((error: unknown) => error);
    await expectServed(local.port);
    const [there, back] = [{ container: CONTAINER, path: "/root/copied" }, join(directory, "back")];
    const place = { container: CONTAINER, path: "/root/tree" };
    copies = [
      startCopy((options) => copyIn(streams(parent), tree, there, options)),
      startCopy((options) => copyOut(streams(parent), place, back, options)),
    ];
    await Promise.all(copies.map(({ begun }) => begun));
    moment = await store.create("moment", (path) => parent.save(path));
  });
  afterAll(async () => {
    await local?.close();
    await parent?.[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  test("the guest that was saved keeps its clients, its output and its copies", async () => {
    await Promise.all(copies.map(({ done }) => done));
    for (const { disconnections } of copies) expect(disconnections()).toBeGreaterThan(0);
    expect(differences(tree, join(directory, "back"))).toEqual([]);
    await expectCopied(parent, "parent-copied");
    for (const { disconnections } of Object.values(staying)) expect(disconnections).toBeGreaterThan(0);
    await expectAllStreams(streams(parent), positions, touch(parent), staying);
  });

  test("a forward of the guest that was saved resets its open connection and takes others, and a clone serves its own", async () => {
    expect(await cutOff).toMatchObject({ code: "ECONNRESET" });
    await expectServed(local.port);
    await using clone = await restore("serving");
    const other = await forwardFrom(streams(clone), {}, { container: CONTAINER, port: PORT });
    await expectServed(other.port);
    await other.close();
  });

  test("two clones at once have them at the same offsets in epochs of their own, each for itself", async () => {
    const clones = await Promise.all([restore("one"), restore("two")]);
    await using _one = clones[0];
    await using _two = clones[1];
    await Promise.all(
      clones.map(async (clone) => {
        await expectOtherEpoch(streams(clone), positions);
        await expectAllStreams(streams(clone), positions, touch(clone));
      }),
    );
  });

  test("a copy that was in progress leaves no part of a file under its name in a clone", async () => {
    await using clone = await restore("copied");
    const there = join(directory, "clone-copied");
    await copyOut(streams(clone), { container: CONTAINER, path: "/root/copied" }, there);
    const found = differences(tree, there);
    expect(found.filter((line) => !line.startsWith(`Only in ${tree}`))).toEqual([]);
    expect(found).not.toEqual([]);
    await copyIn(streams(clone), join(tree, "big"), { container: CONTAINER, path: "/root/again" });
  });

  test("a clone of a clone has them too, and what a client took in between is gone from it", async () => {
    await using child = await restore("child");
    const later = await takeMore(streams(child), positions);
    const snapshot = await store.create("again", (path) => child.save(path));
    await using grandchild = await restore("grandchild", snapshot);
    await expectOtherEpoch(streams(grandchild), positions);
    await expectAllStreams(streams(grandchild), later, touch(grandchild));
    await expectAllStreams(streams(child), later, touch(child));
  });

  test("nothing is lost if the agent is killed right after the restore, while clients attach", async () => {
    await using clone = await restore("killed");
    using follower = new Follower(streams(clone), { container: CONTAINER, exec: "counting" });
    await clone.client.guest.kill({});
    await follower.endsWith("\n");
    await follower.leave();
    await clone.client.guest.kill({});
    await expectAllStreams(streams(clone), positions, touch(clone));
  });

  /** Expects a file of the server behind a forward. */
  async function expectServed(port: number): Promise<void> {
    const response = await fetch(`http://127.0.0.1:${port}/0`);
    expect(Buffer.from(await response.arrayBuffer()).equals(readFileSync(join(tree, "small/0")))).toBe(true);
  }

  /** Expects that the tree was copied into a guest. */
  async function expectCopied(guest: SandboxGuest, name: string): Promise<void> {
    const there = join(directory, name);
    await copyOut(streams(guest), { container: CONTAINER, path: "/root/copied" }, there);
    expect(differences(tree, there)).toEqual([]);
  }
});

function writeTree(root: string): void {
  const random = randomFrom(1);
  mkdirSync(join(root, "small"), { recursive: true });
  writeFileSync(join(root, "big"), randomBytesOf(random, BIG_BYTES));
  for (let at = 0; at < FILES; at++) writeFileSync(join(root, "small", `${at}`), randomBytesOf(random, 2000));
}

/** Starts a copy. `begun` resolves once it has some bytes. */
function startCopy(copy: (options: CopyOptions) => Promise<unknown>) {
  const begun = Promise.withResolvers<void>();
  let disconnections = 0;
  const done = copy({
    onProgress: (bytes) => {
      if (bytes >= COPIED_BYTES) begun.resolve();
    },
    onDisconnect: () => void disconnections++,
  });
  done.catch(begun.reject);
  return { begun: begun.promise, done, disconnections: () => disconnections };
}

/** Returns a line for each file that differs or that only one of two folders has. */
function differences(one: string, other: string): readonly string[] {
  const { stdout } = spawnSync("diff", ["-rq", one, other], { encoding: "utf8" });
  return stdout.split("\n").filter((line) => line !== "");
}
