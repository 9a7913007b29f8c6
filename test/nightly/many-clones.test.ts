import { rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AgentClient, connect } from "../../host/client/agent-client.ts";
import { DialError } from "../../host/client/dial.ts";
import { RpcError } from "../../host/client/rpc-error.ts";
import { connectRestored } from "../../host/engine/guest/connect-restored.ts";
import { AGENT_PORT, SandboxGuest } from "../../host/engine/guest/sandbox-guest.ts";
import { blockRootOf } from "../../host/engine/image/disk/block-root.ts";
import { BlockStore } from "../../host/engine/image/disk/block-store.ts";
import { becomeClone } from "../../host/engine/template/become-clone.ts";
import { makeTemplate } from "../../host/engine/template/make-template.ts";
import { type StoredTemplate, TemplateStore } from "../../host/engine/template/template-store.ts";
import { oneLine } from "../../host/operation-error.ts";
import { Guest } from "../../host/vm/guest.ts";
import { makeWorkDirectory } from "../clean-up/work-directory.ts";
import { buildDebianImage } from "../testing/debian-image.ts";
import { whyNoPackages } from "../vm/testing/debian-programs.ts";
import {
  CONTAINER,
  draw,
  NUMBERS_OF_EACH,
  PACKAGES,
  startRandomContainer,
  WatcherClient,
} from "./testing/random-container.ts";
import { execIn } from "./testing/template-machine.ts";

/** Fewer are for trying the test. */
const CLONES = Number(process.env["GUESTD_CLONES"] ?? 200);
const AT_ONCE = 10;
const MEMORY_MIB = 256;
const HOUR = 3600;
/** Most that a clone's clock may differ from the host's, in milliseconds. */
const CLOCK_MS = 50;
const RETRY_MS = 5;
const RACE_MS = 60_000;
const IDENTITY = ["cat", "/proc/sys/kernel/hostname", "/run/machine-id", "/proc/sys/kernel/random/boot_id"];

/** Everything about a clone that no other one may have. */
interface Observed {
  readonly name: string;
  readonly hostname: string;
  readonly machineId: string;
  readonly bootId: string;
  readonly epoch: string;
  readonly streamsEpoch: string;
  /** All numbers drawn in it. */
  readonly numbers: readonly string[];
  /** Number of the generator that the watcher did not seed again. */
  readonly kept: string;
  readonly clockMs: number;
  /** MAC address of its card, as host and guest see it. */
  readonly macs?: readonly (string | undefined)[];
  /** Answers "unavailable" that the racing call got first. */
  readonly refusals: number;
}

const missing = await whyNoPackages(PACKAGES);

describe.skipIf(missing !== undefined)(
  `${CLONES} clones of a template, ${AT_ONCE} at a time${missing === undefined ? "" : `: skipped, ${missing}`}`,
  () => {
    let directory = "";
    let template: StoredTemplate;
    let drawnBefore: readonly string[] = [];
    let observed: readonly Observed[] = [];

    beforeAll(async () => {
      directory = makeWorkDirectory("many-clones");
      const image = await buildDebianImage("random-programs", PACKAGES);
      const store = new BlockStore(join(directory, "roots"));
      using root = await blockRootOf({ path: image }, { user: CONTAINER, store });
      template = await new TemplateStore(join(directory, "templates")).create("random", (path) =>
        makeTemplate(path, {
          name: "random",
          memoryMib: MEMORY_MIB,
          prepare: async (client, guest) => {
            drawnBefore = await startRandomContainer(client, guest, root);
            // The template is from an hour ago, as far as its clock can tell.
            await client.agent.setGuestDateTime({ Sec: Math.floor(Date.now() / 1000) - HOUR });
          },
        }),
      );
      observed = await startAll();
    }, 3_600_000);
    afterAll(() => rmSync(directory, { recursive: true, force: true }));

    /** Starts all clones. Rejects with the errors of those that failed. */
    async function startAll(): Promise<readonly Observed[]> {
      const began = performance.now();
      const [done, errors]: [Observed[], string[]] = [[], []];
      const numbers = Array.from({ length: CLONES }, (_, index) => index).values();
      const work = async () => {
        for (const number of numbers) {
          const name = `clone-${number}`;
          const observing =
            number % 2 === 0 ? observeWithCard(template, name) : observeRacing(template, name, number % 4 === 1);
          await observing.then(
            (clone) => done.push(clone),
            (error: unknown) => errors.push(`${name}: ${oneLine(error)}`),
          );
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, work));
      if (errors.length > 0) throw new Error(`${errors.length} of ${CLONES} clones failed:\n${errors.join("\n")}`);
      const seconds = (performance.now() - began) / 1000;
      process.stdout.write(`${CLONES} clones in ${seconds.toFixed(0)} s\n`);
      return done;
    }

    const different = (values: readonly (string | undefined)[]) => new Set(values).size;

    test("draw different random numbers from the first moment on, whatever program draws them", () => {
      const numbers = [...drawnBefore, ...observed.flatMap((clone) => clone.numbers)];
      expect(numbers.length).toBeGreaterThanOrEqual(CLONES * NUMBERS_OF_EACH);
      expect(different(numbers)).toBe(numbers.length);
      process.stdout.write(`${numbers.length} numbers, all different\n`);
    });

    test("refuse the call that races their restore until they have randomness of their own", () => {
      expect(observed.reduce((sum, { refusals }) => sum + refusals, 0)).toBeGreaterThan(0);
    });

    test("share the state of a program's generator that isn't seeded again, as docs/warm-start.md warns", () => {
      expect(different(observed.map(({ kept }) => kept))).toBe(1);
    });

    test.each(["hostname", "machineId", "bootId", "epoch", "streamsEpoch"] as const)(
      "have different values of %s",
      (key) => {
        expect(observed.every((clone) => clone[key] !== "")).toBe(true);
        expect(different(observed.map((clone) => clone[key]))).toBe(CLONES);
      },
    );

    test("have the names that the host gave them, and higher epochs than the template", () => {
      expect(observed.map(({ hostname }) => hostname)).toEqual(observed.map(({ name }) => name));
      for (const { epoch } of observed) expect(Number(epoch)).toBeGreaterThan(template.manifest?.epoch ?? Infinity);
    });

    test("have cards with different MAC addresses, which guest and host agree on", () => {
      const macs = observed.flatMap((clone) => (clone.macs === undefined ? [] : [clone.macs]));
      expect(macs).toHaveLength(Math.ceil(CLONES / 2));
      for (const [host, guest] of macs) expect(guest).toBe(host);
      expect(different(macs.map(([host]) => host))).toBe(macs.length);
    });

    test(`have clocks within ${CLOCK_MS} ms of the host's, an hour after the template's`, () => {
      const worst = Math.max(...observed.map(({ clockMs }) => clockMs));
      process.stdout.write(`clocks differ from the host's by up to ${worst.toFixed(1)} ms\n`);
      expect(worst).toBeLessThanOrEqual(CLOCK_MS);
    });
  },
);

/** Starts a clone with a network card, as guestctl and the SDK do. */
async function observeWithCard({ path }: StoredTemplate, name: string): Promise<Observed> {
  const network = { kind: "user", forwards: [] } as const;
  await using clone = await SandboxGuest.restore(path, { name, network, hasNoFolder: true });
  const seen = await observe(clone.guest, clone.client, name);
  const { Interfaces } = await clone.client.agent.listInterfaces({});
  const card = Interfaces.find((each) => each.name === "eth0");
  return { ...seen, macs: [clone.guest.mac, card?.hwAddr], refusals: 0 };
}

/** Starts a clone whose first call is made from the moment on at which it accepts connections, before it knows what it is. */
async function observeRacing({ path, manifest }: StoredTemplate, name: string, keepsAgent: boolean): Promise<Observed> {
  await using guest = await Guest.restore(path);
  const address = guest.address(AGENT_PORT);
  const racing = drawFirst(address);
  racing.catch(() => undefined); // awaited below
  await using client = await connectRestored(address);
  await becomeClone(client, manifest?.epoch ?? 0, { hostname: name, keepsAgent });
  const { numbers, refusals } = await racing;
  const seen = await observe(guest, client, name);
  return { ...seen, numbers: [...numbers, ...seen.numbers], refusals };
}

/** Draws numbers as soon as the agent allows it. */
async function drawFirst(address: string) {
  const end = performance.now() + RACE_MS;
  for (let refusals = 0; ; ) {
    try {
      await using client = await connect(address);
      return { numbers: await draw(client, "kernel"), refusals };
    } catch (error) {
      if (performance.now() > end) throw error;
      if (error instanceof RpcError && error.kind === "unavailable") refusals++;
      else if (!(error instanceof DialError)) throw error;
      await sleep(RETRY_MS);
    }
  }
}

async function observe(guest: Guest, client: AgentClient, name: string): Promise<Omit<Observed, "refusals">> {
  using watcher = new WatcherClient(guest);
  const [, epoch = "", kernel = "", renewed = "", kept = ""] = await watcher.words();
  const drawing = (["kernel", "openssl", "python", "node"] as const).map((source) => draw(client, source));
  const numbers = [kernel, renewed, ...(await Promise.all(drawing)).flat()];
  const [hostname = "", machineId = "", bootId = ""] = (await execIn({ client }, CONTAINER, IDENTITY)).split("\n");
  const clockMs = await watcher.clockDifference();
  const streamsEpoch = await watcher.streamsEpoch();
  return { name, hostname, machineId, bootId, epoch, streamsEpoch, numbers, kept, clockMs };
}
