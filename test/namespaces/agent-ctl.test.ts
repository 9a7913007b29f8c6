import {
  existsSync,
  lstatSync,
  mkdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { AgentCtl } from "../hosts/agent-ctl.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { makeBusyboxRootfs } from "../scenarios/busybox-rootfs.ts";
import { makeServicePlace, type RunningService, type ServicePlace } from "./testing/service-agent.ts";

const SHARED = "/run/kata-containers/shared/containers";
/** The requests that Kata's sample policy allows. */
const REQUESTS = `AddARPNeighbors AddSwap CloseStdin CopyFile CreateContainer CreateSandbox DestroySandbox ExecProcess
GetDiagnosticData GetMetrics GetOOMEvent GuestDetails ListInterfaces ListRoutes MemAgentCompactSet MemAgentMemcgSet
MemHotplugByProbe OnlineCPUMem PauseContainer ReadStream RemoveContainer RemoveStaleVirtiofsShareMounts ReseedRandomDev
ResumeContainer SetGuestDateTime SetPolicy SignalProcess StartContainer StatsContainer TtyWinResize UpdateContainer
UpdateEphemeralMounts UpdateInterface UpdateRoutes WaitProcess WriteStream`.split(/\s+/);

/** Returns a policy that allows every request except `denied`. */
function policy(denied: readonly string[] = []): string {
  const rules = REQUESTS.map((name) => `default ${name}Request := ${!denied.includes(name)}\n`);
  return `package agent_policy\n\n${rules.join("")}`;
}

/**
 * The steps of Kata's own tests of an agent's calls with agent-ctl, in order, made by our own client and spec. The
 * agent runs as root on the host: files exist before there is a sandbox, and the agent's folders are removed between
 * steps. The tests in a guest are in test/vm.
 */
describeInNamespaces("an agent under Kata's scenarios of agent-ctl", () => {
  let place: ServicePlace;
  let service: RunningService;
  let ctl: AgentCtl;
  /** Returns the host's path of the agent's `path`. */
  const there = (path: string) => join(place.directory, path);
  const source = (name: string) => join(place.directory, name);

  function start(name: string): { service: RunningService; ctl: AgentCtl } {
    const address = `unix://@/tmp/${name}-${process.pid}.socket`;
    writeFileSync(source("test.rego"), policy());
    const env = { KATA_AGENT_SERVER_ADDR: address, KATA_AGENT_POLICY_FILE: source("test.rego") };
    return { service: place.start({ ...env, KATA_AGENT_LOG_LEVEL: "debug" }), ctl: new AgentCtl(address) };
  }

  beforeAll(() => {
    place = makeServicePlace();
    ({ service, ctl } = start("agent-ctl"));
  });
  afterAll(() => place?.[Symbol.asyncDispose]());

  it("answers Check within 20 s", async () => {
    const status = () => ctl.run(({ health }) => health.check({})).then(({ status }) => status);
    await expect.poll(status).toBe(1);
  });

  it("copies a file to the shared folder", async () => {
    writeFileSync(source("foo"), "");
    await ctl.copyFile(source("foo"), `${SHARED}/foo`);
    expect(lstatSync(there(`${SHARED}/foo`)).isFile()).toBe(true);
  });

  it("copies a link", async () => {
    symlinkSync(source("foo"), source("link"));
    await ctl.copyFile(source("link"), `${SHARED}/link`);
    expect(readlinkSync(there(`${SHARED}/link`))).toBe(source("foo"));
  });

  it("copies a directory", async () => {
    mkdirSync(source("dir"));
    await ctl.copyFile(source("dir"), `${SHARED}/dir`);
    expect(lstatSync(there(`${SHARED}/dir`)).isDirectory()).toBe(true);
  });

  it.each(["/tmp/guestd-agent-ctl", "/run/kata-containers/shared/foo"])(
    "refuses to copy a file to %s",
    async (path) => {
      await expect(ctl.copyFile(source("foo"), path)).rejects.toThrow(/is not below/);
      expect([existsSync(path), existsSync(there(path))]).toEqual([false, false]);
    },
  );

  it("copies a large file, in pieces", async () => {
    writeFileSync(source("large"), "");
    truncateSync(source("large"), 2 * 1024 * 1024);
    await ctl.copyFile(source("large"), `${SHARED}/large`);
    expect(lstatSync(there(`${SHARED}/large`)).size).toBe(2 * 1024 * 1024);
    rmSync(there(SHARED), { recursive: true });
  });

  it("creates, starts and removes a container", async () => {
    const container_id = "test_container_1234";
    await ctl.run(({ agent }) => agent.createSandbox({ sandbox_id: "4711" }));
    const rootfs = `/run/kata-containers/testing/${container_id}/rootfs`;
    makeBusyboxRootfs(there(rootfs));
    await ctl.createContainer(container_id, rootfs, ["/bin/sh"]);
    await ctl.run(({ agent }) => agent.startContainer({ container_id }));
    await ctl.run(({ agent }) => agent.removeContainer({ container_id }));
    rmSync(there("/run/kata-containers"), { recursive: true });
  });

  it("accepts a policy that allows everything", () => ctl.setPolicy(source("test.rego")));

  it("accepts a policy that blocks CopyFile, and then copies nothing", async () => {
    writeFileSync(source("blocked.rego"), policy(["CopyFile"]));
    await ctl.setPolicy(source("blocked.rego"));
    await expect(ctl.copyFile(source("foo"), `${SHARED}/foo`)).rejects.toThrow(/^CopyFileRequest is blocked by policy/);
    expect(existsSync(there(`${SHARED}/foo`))).toBe(false);
  });

  it("exits after DestroySandbox", async () => {
    await ctl.run(({ agent }) => agent.destroySandbox({}));
    expect(await service.exited).toEqual({ code: 0, signal: null });
  });

  it("exits after DestroySandbox without a sandbox", async () => {
    const other = start("agent-ctl-2");
    await other.service.listening();
    await other.ctl.run(({ agent }) => agent.destroySandbox({}));
    expect(await other.service.exited).toEqual({ code: 0, signal: null });
  });
});
