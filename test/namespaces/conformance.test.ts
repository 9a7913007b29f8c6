import { expect, it } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startGuestctl } from "../scenarios/guestctl-process.ts";
import { conformanceSuite } from "./testing/conformance-suite.ts";
import { startHostAgent } from "./testing/host-agent.ts";

conformanceSuite("ttrpc");
// What a protocol may change; test/nightly runs all groups.
conformanceSuite("grpc", "stdio,deadlines,errors");

describeInNamespaces("guestctl conformance with nothing but an address", () => {
  const run = async (...args: string[]) => {
    const { ended, output } = startGuestctl(["conformance", ...args, "--require", "may"]);
    const code = await ended;
    return { code, text: output.stdout.toString() + output.stderr };
  };

  it("tests a running agent, and leaves no container and no file behind", async () => {
    await using machine = await startHostAgent();
    const first = await run(machine.address, "--groups", "health,tty,shutdown");
    expect(first).toEqual({
      code: 0,
      text: expect.stringMatching(/^(skipped .*\n)+conformant: \d+ passed, 0 failed, /),
    });
    expect(first.text).toMatch(/^skipped {2}must ttrpc {2}DestroySandbox: is answered: it ends or spoils the agent;/m);
    const left = "ls -A /run/kata-containers/shared/containers /run/guestd/containers";
    expect(await machine.shell(left)).toMatch(/^\S+containers:\n\n\S+containers:\n$/);
    const rootfs = machine.rootfs("given");
    const second = await run(machine.address, "--groups", "copy-file", "--guest-rootfs", rootfs);
    expect(second).toEqual({ code: 0, text: expect.stringMatching(/^conformant: \d+ passed, 0 failed, 0 skipped, /) });
    expect(await machine.shell(left)).toMatch(/^\S+containers:\n\n\S+containers:\n$/);
  });

  it("kills a running agent by its pid, and each agent that has replaced it", async () => {
    await using machine = await startHostAgent();
    const names = "*after the agent was killed*,*while no agent runs*";
    const pid = String(await machine.agentPid());
    const { code, text } = await run(machine.address, "--pid", pid, "--names", names, "--protocol", "both");
    expect([code, text]).toEqual([
      0,
      expect.stringMatching(/^conformant: 6 passed, 0 failed, 0 skipped, .* over ttrpc and grpc, /),
    ]);
    expect(await machine.agentPid()).not.toBe(Number(pid));
  });

  it("reports a command that starts no agent as one problem", async () => {
    const { code, text } = await run("--start", "no-such-agent {address}", "--groups", "health,tty");
    expect(code).toBe(1);
    expect(text.match(/^PROBLEM .*$/gm)).toEqual([
      expect.stringMatching(
        /^PROBLEM {2}group health over ttrpc: start the agent: its command ended with 127: .*not found$/,
      ),
    ]);
    expect(text).toMatch(/^not conformant: 0 passed, 0 failed, \d+ skipped, /m);
  });
});
