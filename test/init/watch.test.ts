import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { startRelayedInit } from "./testing/relayed-init.ts";
import { describeInit } from "./testing/variants.ts";

/** The test stands in for the agent, so it is the test that falls silent. They mostly wait, each with its own init. */
describeInit("init, which watches the agent,", (binary) => {
  test.concurrent("replaces an agent that falls silent, and allows each successor in a row twice as long a silence", async () => {
    await using init = await startRelayedInit({ init: binary });
    for (const generation of [1, 2, 3]) {
      const agent = await init.nextAgent();
      expect(agent.greeting.generation).toBe(generation);
      agent.heartbeat(300);
    }
    await init.nextAgent();
    const lines = init.running.console().match(/the agent has not answered.*|the agent ended.*(?=;)/g);
    expect(lines).toEqual(
      ["0.3", "0.6", "1.2"].flatMap((limit) => [
        `the agent has not answered for ${limit} s; it is replaced`,
        "the agent ended (signal 9)",
      ]),
    );
  });

  test.concurrent("keeps an agent that sends no heartbeat, withdraws the limit, or sends its heartbeats in time", async () => {
    await using init = await startRelayedInit({ init: binary });
    const agent = await init.nextAgent();
    await sleep(400);
    for (let beat = 0; beat < 10; beat++) {
      agent.heartbeat(1000);
      await sleep(120);
    }
    agent.heartbeat(100);
    agent.heartbeat(0);
    await sleep(400);
    expect(init.running.console()).not.toMatch(/the agent/);
  });

  test.concurrent("gives the agent time to answer after the clock has jumped", async () => {
    await using init = await startRelayedInit({ init: binary });
    const agent = await init.nextAgent();
    const pid = await init.running.pid();
    agent.heartbeat(2000);
    await sleep(100);
    process.kill(pid, "SIGSTOP");
    await sleep(2500);
    process.kill(pid, "SIGCONT");
    await sleep(200);
    agent.heartbeat(2000);
    await sleep(100);
    agent.heartbeat(0);
    await sleep(100);
    expect(init.running.console()).not.toMatch(/the agent/);
  });

  test.concurrent("wakes up at most once for each heartbeat", async () => {
    await using init = await startRelayedInit({ init: binary });
    const agent = await init.nextAgent();
    const pid = await init.running.pid();
    const wakeUps = () =>
      Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
    agent.heartbeat(5000);
    await sleep(50);
    const before = wakeUps();
    for (let beat = 0; beat < 10; beat++) {
      agent.heartbeat(5000);
      await sleep(30);
    }
    expect(wakeUps() - before).toBeLessThanOrEqual(10);
  });
});
