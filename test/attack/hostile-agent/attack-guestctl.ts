import { copyFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { StateStore } from "../../../host/engine/record/state-store.ts";
import { thisPlatform } from "../../../image/platform.ts";
import { file } from "../../../image/testing/layers.ts";
import { treeOf } from "../../../image/testing/tree.ts";
import { layoutEntries, packTar } from "../../../image/write-layout.ts";
import { makeWorkDirectory } from "../../clean-up/work-directory.ts";
import { launcher } from "../../scenarios/guestctl-process.ts";
import { type AttackedProgram, attackProgram, until } from "./attacked-program.ts";
import { GuestKeeper } from "./guest-keeper.ts";
import { CONTAINER, GUEST, type Line } from "./guestctl-lines.ts";
import { HostileAgent } from "./hostile-agent.ts";
import type { StreamManner } from "./hostile-streams.ts";
import { CONNECTED } from "./mcp-lines.ts";

const sdkCaller = join(import.meta.dirname, "sdk-call.ts");
const conversation = join(import.meta.dirname, "../../recordings/run.jsonl");
const mcpCaller = join(import.meta.dirname, "mcp-call.ts");
/** How long a command may run once it has reached the agent, ms: an endless one is then interrupted. */
const RUN_MS = 1500;
/** How long a tool of MCP may run. Its own limits are shorter. */
const TOOL_MS = 5000;
/** Controls that a terminal would obey; lines of output end with a line feed, tables may have tabs. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it finds
const CONTROLS = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e]/;

export interface Attacked extends AttackedProgram {
  readonly manner: StreamManner;
  /** Names of files that appeared or changed outside of the folder that the command was given. */
  readonly strayFiles: readonly string[];
  /** The first control character of its output, with what is around it. */
  readonly control: string | undefined;
}

/** A hostile agent, recorded as a guest with one container, and a user's folders. */
export class AttackedHost implements AsyncDisposable {
  readonly agent: HostileAgent;
  readonly folder: string;
  readonly #root: string;
  /** A tar of an image with one file. */
  readonly #image: Buffer;
  readonly #store: StateStore;
  readonly #keeper = new GuestKeeper();

  private constructor(folder: string, agent: HostileAgent, image: Buffer) {
    this.folder = folder;
    this.#image = image;
    this.agent = agent;
    this.#root = join(folder, `guestd-${process.geteuid?.()}`);
    this.#store = new StateStore(this.#root);
  }

  static async start(): Promise<AttackedHost> {
    const folder = makeWorkDirectory("hostile-agent");
    for (const name of ["here", "share/shared"]) mkdirSync(join(folder, name), { recursive: true, mode: 0o700 });
    const layers = [await packTar([file("bin/ls", "", 0o755)])];
    const layout = layoutEntries({ name: "image", platform: thisPlatform(), config: { Cmd: ["ls"] }, layers });
    return new AttackedHost(folder, await HostileAgent.listen(join(folder, "agent")), await packTar(layout));
  }

  /** Runs a line of guestctl against the agent in one manner. */
  guestctl(line: Line, manner: StreamManner): Promise<Attacked> {
    return this.#attack([launcher, ...line.words], manner, line);
  }

  /** Runs a call of the SDK in a program that prints nothing but its error. */
  sdk(call: string, manner: StreamManner): Promise<Attacked> {
    return this.#attack([sdkCaller, "ADDRESS", call, "COPIED"], manner);
  }

  /** Runs a tool of MCP in a program that prints its results and errors. The agent is plausible until it has a sandbox. */
  mcp(tool: string, manner: StreamManner): Promise<Attacked> {
    const use: Line["use"] = async ({ child, printed }) => {
      await until(child, () => printed.stdout.startsWith(CONNECTED) || undefined);
      this.agent.manner = manner;
      child.stdin?.end();
      await sleep(TOOL_MS);
    };
    return this.#attack([mcpCaller, "ADDRESS", tool, "COPIED"], "plausible", { use });
  }

  async #attack(
    words: readonly string[],
    manner: StreamManner,
    { isRaw, use }: Pick<Line, "isRaw" | "use"> = {},
  ): Promise<Attacked> {
    this.#record();
    const copied = join(this.folder, "copied");
    rmSync(copied, { recursive: true, force: true });
    mkdirSync(copied);
    writeFileSync(join(copied, "file"), "content");
    writeFileSync(join(copied, "image.tar"), this.#image);
    copyFileSync(conversation, join(copied, "conversation.jsonl"));
    const places: Readonly<Record<string, string>> = { ADDRESS: this.agent.address, COPIED: copied };
    const line = words.map((word) =>
      word.replace(/^(ADDRESS|COPIED)|(?<=^unix:\/\/)COPIED/, (name) => places[name] ?? name),
    );
    const before = this.#files();
    const { reached } = this.agent.begin(manner);
    const program = await attackProgram(line, {
      ...{ folder: this.folder, reached, runMs: RUN_MS },
      use: use && ((child, printed) => use({ child, printed, copied, home: this.folder })),
    });
    this.agent.drop();
    const after = this.#files();
    const strayFiles = Object.keys(after).filter((path) => after[path] !== before[path]);
    const printed = isRaw ? program.stderr : `${program.stdout}${program.stderr}`;
    const at = CONTROLS.exec(printed)?.index;
    const control = at === undefined ? undefined : JSON.stringify(printed.slice(Math.max(at - 40, 0), at + 20));
    return { ...program, manner, strayFiles, control };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.agent[Symbol.dispose]();
    this.#keeper[Symbol.dispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Files of the user, but for those of guestctl itself and the folder of copies. */
  #files(): Record<string, string> {
    const own = [`guestd-${process.geteuid?.()}`, "copied", "agent", "agent_1028", "agent_1025", "guestd"];
    // Those of its share, of its keys, and what the next run removes.
    const others = /^(share|\.ssh|guestd-rootfs-\w+)$/;
    const isOwn = (name: string) => own.includes(name) || others.test(name);
    return Object.fromEntries(Object.entries(treeOf(this.folder)).filter(([path]) => !isOwn(path.split("/")[0] ?? "")));
  }

  #record(): void {
    const { address } = this.agent;
    rmSync(this.#root, { recursive: true, force: true });
    this.#store.claim(GUEST);
    // A command that ends the guest's keeper ends this one.
    writeFileSync(join(this.#store.directory(GUEST), "owner.json"), JSON.stringify(this.#keeper.owner()));
    const timeline = { kernel: 1, init: 1, agent: 1, loaded: 1, listening: 1, check: 1 };
    const size = { memoryMib: 512, cpus: 1, timeline, bootedAt: new Date(0).toISOString() };
    this.#store.writeGuest({
      name: GUEST,
      address,
      logAddress: `${address}_1025`,
      folder: join(this.folder, "share"),
      accelerator: "tcg",
      ...size,
    });
    this.#store.processes.write(GUEST, {
      ...{ container: CONTAINER, exec: CONTAINER, args: ["sleep", "1000"], image: "image", terminal: false },
      ...{ startedAt: new Date(0).toISOString(), rootfs: this.folder, env: [], cwd: "/", user: "0" },
      request: { words: ["ls"], flags: { address, rootfs: "/rootfs" } },
    });
  }
}
