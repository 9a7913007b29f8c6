import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { StateStore } from "../../host/engine/record/state-store.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { launcher, startGuestctl } from "../scenarios/guestctl-process.ts";
import { Pod } from "../scenarios/pod.ts";
import { TerminalScreen, whyNoScreen } from "../scenarios/terminal-screen.ts";
import { startHostAgent } from "./testing/host-agent.ts";

const GUEST = "sample";
const TOP = `'${process.execPath}' '${launcher}' top --interval 100ms`;
const when = whyNoScreen === undefined ? "" : `, skipped: ${whyNoScreen}`;

describeInNamespaces("guestctl top", () => {
  let machine: Awaited<ReturnType<typeof startHostAgent>>;
  let pod: Pod;
  let store: StateStore;
  let env: { readonly XDG_RUNTIME_DIR: string };
  let id: string;
  beforeAll(async () => {
    machine = await startHostAgent();
    env = { XDG_RUNTIME_DIR: join(machine.directory, "run") };
    mkdirSync(env.XDG_RUNTIME_DIR, { mode: 0o700 });
    store = new StateStore(join(env.XDG_RUNTIME_DIR, `guestd-${process.geteuid?.()}`));
    pod = await Pod.open(machine);
    id = await pod.start(["sleep", "1000"]);
    record(GUEST);
  });
  afterAll(async () => {
    store?.removeGuest(GUEST);
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });

  /** Records a guest whose agent is the machine's. */
  function record(name: string): void {
    store.claim(name);
    const timeline = { listening: 1, check: 2 };
    const bootedAt = new Date().toISOString();
    const { address, directory: folder } = machine;
    const size = { memoryMib: 512, cpus: 1 };
    store.writeGuest({ name, address, logAddress: address, folder, accelerator: "tcg", ...size, timeline, bootedAt });
  }

  function openScreen(more: Readonly<Record<string, string>> = {}): TerminalScreen {
    const screen = new TerminalScreen({ directory: machine.directory, env: { ...env, ...more } });
    onTestFinished(() => screen[Symbol.dispose]());
    return screen;
  }

  /** Resolves once the shell has the terminal again, as it was: its old lines, echo and line editing, and a visible cursor. */
  async function expectRestored(screen: TerminalScreen, code: number): Promise<void> {
    await screen.shows(/earlier line[\s\S]*prompt>$/m);
    screen.run('echo "code $?"; stty -a | tr " ;" "\\n\\n" | grep -xE -e "-?(icanon|echo|isig)" | xargs echo flags');
    await screen.shows(new RegExp(`code ${code}\nflags isig icanon echo\n`));
  }

  it.skipIf(whyNoScreen !== undefined)(
    `shows guests as they come and go, filters, and follows the window${when}`,
    async () => {
      const screen = openScreen({ NO_COLOR: "1" });
      screen.run(TOP);
      await screen.shows(new RegExp(`> - ${GUEST} .*live .*\n +- ${id} +running`));
      record("another");
      await screen.shows(/2 guests, 2 containers.*\n.*\n> - another +live/);
      screen.type("/samp");
      await screen.shows(new RegExp(`by name, with "samp"\n.*\n> - ${GUEST} [^]*\n/samp_`));
      expect(screen.text()).not.toContain("another");
      screen.press("Escape");
      store.removeGuest("another");
      await screen.shows(/1 guest, 1 container, by name\n/);
      expect(screen.text(true)).not.toContain("\u001b");
      screen.resize(150, 12);
      await screen.shows(/PSI-C PSI-M PSI-I READ\/s/);
      expect(screen.text().trimEnd().split("\n")).toHaveLength(11);
      screen.resize(40, 10);
      await screen.shows(/\n +NAME +STATE +CPU% +MEM\n/);
      screen.press("C-c");
      await screen.shows(/^prompt>$/m);
    },
  );

  it.skipIf(whyNoScreen !== undefined)(
    `opens a shell, describes, shows the agent's restart, and kills after y${when}`,
    async () => {
      const screen = openScreen();
      const victim = await pod.start(["sh", "-c", "echo printed; sleep 1000"]);
      screen.run(TOP);
      await screen.shows(new RegExp(`- ${victim} +running`));
      screen.type(`/${victim}`);
      screen.press("Enter", "Down");
      await screen.shows(new RegExp(`\n> +- ${victim}`));
      screen.type("s");
      await screen.shows(/\/ #$/m);
      screen.run("echo shell $((6 * 7)); exit 4");
      await screen.shows(new RegExp(`the shell in ${victim} ended with exit code 4`));
      screen.type("d");
      await screen.shows(/launch plan:\n.*cgroup/);
      screen.type("q");
      await machine.killAgent();
      await screen.shows(new RegExp(`${GUEST} .*agent r.*live`));
      screen.type("kn");
      await screen.shows(/nothing was killed/);
      screen.type("k");
      await screen.shows(new RegExp(`kill container ${victim}\\? y/n`));
      screen.type("y");
      await screen.shows(new RegExp(`- ${victim} +exit 137`));
      screen.type("q");
      await screen.shows(/^prompt>$/m);
      await pod.client.close();
      pod = await Pod.open(machine);
      await pod.remove(victim);
    },
  );

  it.skipIf(whyNoScreen !== undefined)(
    `has a terminal below the tree, with colours, the screen's size, and the agent killed meanwhile${when}`,
    async () => {
      const screen = openScreen();
      const shell = await pod.start(["sleep", "1000"]);
      screen.run(TOP);
      await screen.shows(new RegExp(`- ${shell} +running`));
      screen.type(`/${shell}`);
      screen.press("Enter", "Down");
      await screen.shows(new RegExp(`\n> +- ${shell}`));
      screen.type("t");
      await screen.shows(new RegExp(`> +- ${shell} +running[\\s\\S]*\\^] closes it[\\s\\S]*\n/ #`));
      screen.run("printf '\\033[31mred\\033[m %s\\n' $(stty size | tr ' ' x)");
      await screen.shows(/^red \d+x\d+$/m);
      const [, rows = "", columns = ""] = /^red (\d+)x(\d+)$/m.exec(screen.text()) ?? [];
      expect(screen.text(true)).toMatch(/\[[\d;]*31m *red/);
      screen.resize(Number(columns) + 10, 40);
      await expect
        .poll(async () => {
          screen.run("clear; stty size");
          await screen.shows(/closes it *\n\d+ \d+\n/);
          return screen.text();
        })
        .toContain(`\n${Math.ceil(((40 - 4) * 2) / 3)} ${Number(columns) + 10}\n`);
      expect(Number(rows)).toBeLessThan(24);
      await machine.killAgent();
      screen.run("clear; echo after $((6 * 7))");
      await screen.shows(/closes it *\nafter 42\n/);
      screen.press("C-]");
      await screen.shows(/q quit$/m);
      expect(screen.text()).not.toContain("after 42");
      screen.type("t");
      await screen.shows(/closes it[\s\S]*\n\/ #/);
      screen.run("exit 4");
      await screen.shows(new RegExp(`the shell in ${shell} ended with exit code 4`));
      await pod.client.close();
      pod = await Pod.open(machine);
      screen.type("t");
      await screen.shows(/closes it[\s\S]*\n\/ #/);
      const shells = async () => (await pod.execute(shell, ["pidof", "sh"])).stdout.toString().trim();
      expect(await shells()).toMatch(/^\d+$/);
      process.kill(screen.programPid(), "SIGTERM");
      await screen.shows(/^prompt>$/m);
      await expect.poll(shells).toBe("");
      await pod.remove(shell);
    },
  );

  const CRASH = "data:text/javascript,process.on('SIGUSR2',()=>{throw new Error('crashed')})";
  it.skipIf(whyNoScreen !== undefined).each([
    ["q", (screen: TerminalScreen) => screen.type("q"), 0],
    ["^C", (screen: TerminalScreen) => screen.press("C-c"), 0],
    ["SIGTERM", (screen: TerminalScreen) => process.kill(screen.programPid(), "SIGTERM"), 143],
    ["a crash", (screen: TerminalScreen) => process.kill(screen.programPid(), "SIGUSR2"), 1],
  ] as [string, (screen: TerminalScreen) => unknown, number][])(
    `restores the terminal when it ends by %s${when}`,
    async (_, end, code) => {
      const screen = openScreen({ NODE_OPTIONS: `--import="${CRASH}"` });
      screen.run("echo earlier line");
      screen.run(TOP);
      await screen.shows(new RegExp(`> - ${GUEST} .*live`));
      end(screen);
      await expectRestored(screen, code);
    },
  );

  it("prints a snapshot for programs, and refuses what is no terminal", async () => {
    const once = startGuestctl(["top", "--once", "--json", "-g", GUEST, "-i", "100ms"], { env });
    expect([await once.ended, once.output.stderr]).toEqual([0, ""]);
    const [guest] = JSON.parse(once.output.stdout.toString());
    expect(guest).toMatchObject({ name: GUEST, link: "live", usage: { cpu: expect.any(Number) } });
    const shown = guest.containers.find((each: { readonly id: string }) => each.id === id);
    expect(shown).toMatchObject({ state: "running", processes: [{ exec: "", state: "running" }] });
    const refusals = [
      startGuestctl(["top"], { env }),
      startGuestctl(["top"], { env: { ...env, TERM: "dumb" }, tty: true }),
      startGuestctl(["top", "--json"], { env }),
      startGuestctl(["top", "--once", "-g", "none"], { env }),
    ].map(async (running) => {
      await running.ended;
      return `${running.output.stderr}${running.output.stdout}`.trimEnd();
    });
    expect(await Promise.all(refusals)).toEqual([
      "guestctl: top: stdin and stdout must be a terminal; add --once for a snapshot",
      "guestctl: top: the terminal can't move its cursor (TERM=dumb); add --once for a snapshot",
      "guestctl: top: --json needs --once",
      `guestctl: guest none: not running; running guests: ${GUEST}`,
    ]);
  });
});
