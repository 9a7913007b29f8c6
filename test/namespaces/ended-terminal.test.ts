import { expect, it } from "vitest";
import { attach } from "../../host/client/streams/attachment.ts";
import { streamsAddress } from "../../host/client/streams/streams-address.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { Pod } from "../scenarios/pod.ts";
import { startHostAgent } from "./testing/host-agent.ts";

const LENGTH = 40_000;

describeInNamespaces("an ended process with a terminal", () => {
  it("keeps the output that its client hasn't taken over the agent's death", async () => {
    await using machine = await startHostAgent();
    const pod = await Pod.open(machine);
    const container = await pod.start(["sleep", "1000"]);
    const address = streamsAddress(machine.address);
    const script = `stty raw -echo; read go; head -c ${LENGTH} /dev/zero; exit 3`;
    const process = { Args: ["sh", "-c", script], Env: ["PATH=/bin"], Cwd: "/", Terminal: true };
    const taking = Promise.withResolvers<void>();
    let taken = 0;
    const client = attach(
      address,
      { container, exec: "tty", process },
      {
        async onData(_, bytes) {
          taken += bytes.length;
          await taking.promise;
        },
      },
    );
    await client.attached;
    const observer = attach(address, { container, exec: "tty", observe: true }, { onData: () => undefined });
    await observer.attached;
    await client.write(Buffer.from("go\n"));
    expect(await observer.exit).toMatchObject({ code: 3, stdout: LENGTH }); // so the agent has reached the terminal's end
    await machine.killAgent();
    taking.resolve();
    expect(await client.exit).toMatchObject({ code: 3, stdout: LENGTH });
    expect(taken).toBe(LENGTH);
    await pod.client.close();
  });
});
