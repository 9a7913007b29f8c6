import { createHash } from "node:crypto";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { expect } from "vitest";
import { openForward } from "../../../host/client/streams/forward.ts";
import { reverseForward } from "../../../host/client/streams/reverse-forward.ts";
import { waitForPort } from "../../../host/engine/guest/watch-ports.ts";
import { randomBytesOf, randomFrom } from "../../../lib/seeded-random.ts";
import { guestAt } from "../../scenarios/guest-at.ts";
import { ociSpec } from "../../scenarios/oci.ts";
import { Pod } from "../../scenarios/pod.ts";
import type { GuestMachine } from "./guest-machine.ts";

const SERVE = "ip link set lo up; exec nc -ll -p 7000 -e /bin/answer";
const ANSWER = "#!/bin/sh\ncat\necho ' the end'\n";

/** Expects a forward to end each direction by itself, to lose nothing by the agent's death, and its reverse to work. */
export async function forwards(machine: GuestMachine): Promise<void> {
  const address = machine.guest.address(1028);
  const pod = await Pod.open(machine);
  const spec = ociSpec("", []);
  const caps = [...(spec.Process?.Capabilities?.Bounding ?? []), "CAP_NET_ADMIN"];
  const script = `printf '%s' "$ANSWER" >/bin/answer; chmod +x /bin/answer; ${SERVE}`;
  const container = await pod.start([], {
    Process: {
      ...spec.Process,
      ...{ Args: ["sh", "-c", script], Env: ["PATH=/bin", `ANSWER=${ANSWER}`] },
      Capabilities: { Bounding: caps, Effective: caps, Permitted: caps },
    },
    Linux: { ...spec.Linux, Namespaces: [...(spec.Linux?.Namespaces ?? []), { Type: "network" }] },
  });
  await waitForPort(guestAt(machine.address), { container, port: 7000 });
  await expect(openForward(address, { container, port: 9 })).rejects.toMatchObject({ kind: "refused" });

  const sent = randomBytesOf(randomFrom(1), 2_000_000);
  const stream = await openForward(address, { container, port: 7000 });
  const sending = (async () => {
    for (let at = 0; at < sent.length; at += 20_000) {
      if (!stream.write(sent.subarray(at, at + 20_000))) await once(stream, "drain");
    }
    stream.end();
  })();
  const pieces: Buffer[] = [];
  for await (const piece of stream) {
    if (pieces.length === 0) await machine.killAgent();
    pieces.push(piece as Buffer);
  }
  await sending;
  const hash = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
  expect(hash(Buffer.concat(pieces))).toBe(hash(Buffer.concat([sent, Buffer.from(" the end\n")])));

  const reverse = reverseForward(
    address,
    { container, port: 0 },
    { onConnection: async (connection) => void connection.end(`the host got ${await text(connection)}`) },
  );
  const command = `echo "from the guest" | nc 127.0.0.1 ${await reverse.listening}`;
  expect(String((await pod.execute(container, ["sh", "-c", command])).stdout)).toBe("the host got from the guest\n");
  reverse.close();
  await pod.remove(container);
  await pod.client.close();
}
