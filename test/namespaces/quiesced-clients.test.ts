import { mkdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, it } from "vitest";
import { capturePackets } from "../../host/client/streams/capture.ts";
import { copyIn } from "../../host/client/streams/copy-in.ts";
import { openForward } from "../../host/client/streams/forward.ts";
import { reverseForward } from "../../host/client/streams/reverse-forward.ts";
import { randomFrom } from "../../lib/seeded-random.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { Pod } from "../scenarios/pod.ts";
import { makeSampleTree, snapshotTree } from "../scenarios/sample-tree.ts";
import { startHostAgent } from "./testing/host-agent.ts";

const SOCKET = "/run/host.sock";

describeInNamespaces("clients whose connections end while the guest is quiesced", () => {
  let machine: Awaited<ReturnType<typeof startHostAgent>>;
  let pod: Pod;
  let container: string;
  let address: string;
  beforeAll(async () => {
    machine = await startHostAgent();
    pod = await Pod.open(machine);
    container = await pod.start(["sleep", "1000"]);
    address = `${machine.address}_1028`;
    mkdirSync(join(machine.directory, container, "run"), { recursive: true });
  });
  afterAll(async () => {
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });

  it("continue copies, reverse forwards and captures once Resumed allows them, and open forwards then", async () => {
    const { guest } = pod.client;
    const tree = join(machine.directory, "tree");
    makeSampleTree(tree, randomFrom(1), { big: 20_000_000, small: 1500 });
    const expected = snapshotTree(tree);
    const refused = { copy: Promise.withResolvers<void>(), reverse: Promise.withResolvers<void>() };
    const onDisconnect = (what: keyof typeof refused) => (reason: string) => {
      if (/quiesced for a snapshot/.test(reason)) refused[what].resolve();
    };
    const reverse = reverseForward(
      address,
      { container, path: SOCKET },
      {
        onConnection: (stream) => void stream.end("from the host").resume(),
        onDisconnect: onDisconnect("reverse"),
      },
    );
    await reverse.listening;
    const capture = capturePackets(address, { container });
    expect(await capture.next()).toMatchObject({ value: { type: "started" } });
    const begun = Promise.withResolvers<void>();
    const copying = copyIn(
      address,
      tree,
      { container, path: "/copied" },
      {
        ...{ keepOwners: true, keepPrivileges: true, onDisconnect: onDisconnect("copy") },
        onProgress: () => begun.resolve(),
      },
    );
    copying.catch(begun.reject);
    await begun.promise;

    const { epoch } = await guest.quiesce({});
    await machine.killAgent();
    const opening = openForward(address, { container, path: SOCKET });
    const interrupted = capture.next();
    await Promise.all([refused.reverse.promise, Promise.race([refused.copy.promise, copying])]);
    expect(await interrupted).toMatchObject({ value: { type: "interrupted" } });
    expect(await guest.resumed({ epoch })).toMatchObject({ epoch });

    await copying;
    expect(snapshotTree(join(machine.directory, container, "copied"))).toEqual(expected);
    expect(await text(connect(join(machine.directory, container, SOCKET)))).toBe("from the host");
    expect(await text((await opening).end())).toBe("from the host");
    expect(await capture.next()).toMatchObject({ value: { type: "started" } });
    await capture.return();
    reverse.close();
    await reverse.closed;
  });
});
