import { once } from "node:events";
import { mkdtempSync, renameSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { dialTarget, unusedGuest } from "../guest/guest-target.ts";
import { StateStore } from "../record/state-store.ts";
import { serveOperations } from "./serve-keeper.ts";
import { SUPERVISOR_SOCKET, type SupervisorOperations } from "./supervise.ts";

const LATE = "one: no guestctl keeps it any more, and the supervisor can't: it is late; guestctl stop one ends it";

/** Records a saved guest that no process keeps, with its socket. */
function lostGuest() {
  const directory = mkdtempSync(join(tmpdir(), "open-kept-"));
  vi.stubEnv("XDG_RUNTIME_DIR", directory);
  onTestFinished(() => {
    vi.unstubAllEnvs();
    rmSync(directory, { recursive: true });
  });
  const store = new StateStore();
  store.claim("one");
  const socket = join(store.directory("one"), "relay.sock");
  const places = {
    address: `hvsock://${socket}:1024`,
    direct: `unix://${directory}/direct`,
    logAddress: "unix:///log",
  };
  const size = { accelerator: "tcg", memoryMib: 512, cpus: 1, timeline: { listening: 1, check: 2 } };
  store.writeGuest({
    name: "one",
    ...places,
    ...size,
    idleMs: 1000,
    isSaved: true,
    bootedAt: new Date(0).toISOString(),
  });
  const [guest = expect.fail("no record")] = store.guests();
  store.leave("one", "one");
  return { store, socket, guest };
}

/** Leaves a socket as a process does that is killed. */
async function leaveSocket(path: string): Promise<void> {
  const server = createServer().listen(`${path}-first`);
  await once(server, "listening");
  renameSync(`${path}-first`, path);
  server.close();
  await once(server, "close");
}

async function listen(socket: string, onConnection: (socket: Socket) => void): Promise<void> {
  rmSync(socket, { force: true });
  const server = createServer(onConnection).listen(socket);
  await once(server, "listening");
  onTestFinished(() => void server.close());
}

/** Plays the supervisor. Returns the operation, to count its calls. */
async function superviseBy(store: StateStore, adopt: SupervisorOperations["adopt"]) {
  const end = async () => ({ isKept: false });
  const operations = { adopt: vi.fn(adopt), end };
  const served = await serveOperations<SupervisorOperations>(join(store.root, SUPERVISOR_SOCKET), operations);
  onTestFinished(() => served[Symbol.asyncDispose]());
  return operations.adopt;
}

test.each(["isn't there", "has left its socket", "closes what waits"])(
  "a guest whose keeper %s is left to the supervisor, and the connection is opened once more",
  async (keeper) => {
    const { store, socket, guest } = lostGuest();
    if (keeper === "closes what waits")
      await listen(socket, (client) => void client.once("data", () => client.destroy()));
    if (keeper === "has left its socket") await leaveSocket(socket);
    const adopt = await superviseBy(store, async () => {
      store.reclaim("one");
      await listen(socket, (client) => void client.once("data", () => client.write("OK 1\n")));
      return { failures: [] };
    });
    const stream = await dialTarget({ address: guest.address, guest })(guest.address);
    stream.destroy();
    expect(adopt).toHaveBeenCalledTimes(1);
  },
);

test("the error says why the supervisor can't take a guest", async () => {
  const { store, guest } = lostGuest();
  await superviseBy(store, async () => ({ failures: [LATE] }));
  await expect(dialTarget({ address: guest.address, guest })(guest.address)).rejects.toThrow(LATE);
});

test("a guest that a process keeps gets no second connection, nor one that is only watched", async () => {
  const { store, socket, guest } = lostGuest();
  const adopt = await superviseBy(store, async () => ({ failures: [] }));
  const unused = unusedGuest(guest);
  await expect(dialTarget({ address: unused.address, guest: unused })(unused.address)).rejects.toThrow("ENOENT");
  expect(adopt).not.toHaveBeenCalled();
  store.reclaim("one");
  const clients = vi.fn((client: Socket) => void client.once("data", () => client.destroy()));
  await listen(socket, clients);
  await expect(dialTarget({ address: guest.address, guest })(guest.address)).rejects.toThrow("the VMM closed");
  expect(clients).toHaveBeenCalledTimes(1);
  expect(adopt).not.toHaveBeenCalled();
});
