import { describe, expect, it } from "vitest";
import type { grpc } from "../../proto/gen/messages.js";
import { madeConversation, recordedConversation } from "../hosts/conversation.ts";
import { oneContainer, openHost, recordedLife, terminalContainer, threeContainers } from "../hosts/host-life.ts";
import { RECORDED } from "../hosts/host-spec.ts";
import { hosts } from "../hosts/hosts.ts";
import { kubeletPod } from "../hosts/kubelet-pod.ts";
import { lastMessage } from "../hosts/sized-life.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { readRecording, requestsOf, toMessage } from "../recordings/read-recording.ts";
import { startHostAgent } from "./testing/host-agent.ts";

describeInNamespaces("hosts that speak Kata's protocol", () => {
  describe.each(hosts)("%s", (kind, make) => {
    it("runs one container, with execs, a terminal, input, pause, update, statistics and its termination message", async () => {
      await using machine = await startHostAgent();
      const host = await openHost(machine, make);
      await oneContainer(machine, kind, host);
      await terminalContainer(machine, kind, host);
      await lastMessage(machine, kind, host);
      await expect.poll(() => host.calls.checks.length).toBeGreaterThan(0);
      await host.end();
    });

    it.each([false, true])("runs a pod of three containers, with a shared pid namespace: %s", async (sharePid) => {
      await using machine = await startHostAgent();
      const host = await openHost(machine, make);
      await threeContainers(machine, kind, host, sharePid);
      await host.end();
    });
  });

  it.each(hosts)("%s runs a pod as a kubelet requests it, with either cgroup driver", async (kind, make) => {
    await using machine = await startHostAgent();
    const host = await openHost(machine, make);
    await kubeletPod(machine, kind, host, false);
    await kubeletPod(machine, kind, host, true);
    expect(machine.console()).toMatch(/hugetlb.512MB.max[^\n]* from linux.resources.hugepageLimits, is skipped/);
    await host.end();
  });

  it.each(hosts)("%s makes the calls of the real shim's recording", async (kind, make) => {
    await using machine = await startHostAgent();
    const lines = readRecording(RECORDED[kind]);
    const execs = requestsOf(lines, "ExecProcess").map(
      (request) => toMessage("grpc.AgentService", "ExecProcess", request) as grpc.ExecProcessRequest,
    );
    const host = make(await machine.connect());
    await recordedLife(machine, kind, host, execs);
    expect(madeConversation(host.calls)).toEqual(recordedConversation(lines));
  });
});
