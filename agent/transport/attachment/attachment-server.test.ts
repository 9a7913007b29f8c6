import { expect, test } from "vitest";
import { encodeStreamFrame, STREAM } from "../../../proto/stream-frame.ts";
import { activity } from "../../kernel/activity.ts";
import { adoptStream } from "../../kernel/sys/streams.ts";
import { openSys } from "../../kernel/sys/sys.ts";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import type { Attaching } from "../../service/streams/attach.ts";
import { diagnostics, type RefusedEvent } from "../diagnostics.ts";
import { listen } from "../testing/listen.ts";
import { AttachmentServer, type AttachmentServerOptions } from "./attachment-server.ts";

leavesNoDescriptors();
const sys = openSys();

/** A server and a function that connects to it; returns true from `isClosed` once the server has closed the connection. */
function serve(options?: AttachmentServerOptions) {
  const server = new AttachmentServer(sys, {} as Attaching, options);
  const connect = (cid?: number) => {
    const [fd, other] = sys.socketPair("stream");
    sys.setNonBlocking(fd);
    const socket = adoptStream(other);
    let isClosed = false;
    socket.resume().on("end", () => {
      isClosed = true;
      socket.destroy();
    });
    server.accept(fd, cid);
    return { socket, isClosed: () => isClosed };
  };
  return { server, connect, refused: listen<RefusedEvent>(diagnostics.refused) };
}

test("a connection is activity when it opens and when it has ended", async () => {
  const { server, connect } = serve();
  const events = listen(activity);
  const { socket } = connect();
  expect(events).toHaveLength(1);
  socket.destroy();
  await expect.poll(() => server.size).toBe(0);
  expect(events).toHaveLength(2);
});

test("only the host's connections are accepted over vsock, and a refusal names the peer", async () => {
  const { server, connect, refused } = serve();
  const others = [0, 1, 3].map((cid) => connect(cid));
  await expect.poll(() => others.map(({ isClosed }) => isClosed())).toEqual([true, true, true]);
  const reason = "only the host (CID 2) may attach";
  expect(refused).toEqual([0, 1, 3].map((cid) => ({ peer: `vsock:${cid}`, reason })));
  const [host, local] = [connect(2), connect()];
  expect([server.size, host.isClosed(), local.isClosed()]).toEqual([2, false, false]);
  for (const { socket } of [host, local]) socket.destroy();
  await expect.poll(() => server.size).toBe(0);
});

test.each([
  [{ maxConnections: 2 }, 2],
  [{}, 2048],
])("with %j, a connection over the limit is refused until another one ends", async (options, most) => {
  const { server, connect, refused } = serve(options);
  const open = Array.from({ length: most }, () => connect());
  expect([server.size, refused]).toEqual([most, []]);
  for (const cid of [undefined, 2]) await expect.poll(connect(cid).isClosed).toBe(true);
  const reason = `${most} attachments are already open`;
  expect(refused).toEqual([
    { peer: "unix", reason },
    { peer: "vsock:2", reason },
  ]);
  open[0]?.socket.destroy();
  await expect.poll(() => server.size).toBe(most - 1);
  const last = connect();
  expect([server.size, refused.length]).toEqual([most, 2]);
  for (const { socket } of [...open, last]) socket.destroy();
  await expect.poll(() => server.size).toBe(0);
});

test("a connection that sends part of a frame is closed once the time for its first frame is over", async () => {
  const { server, connect } = serve({ firstFrameMs: 30 });
  const { socket, isClosed } = connect();
  socket.write(encodeStreamFrame("ping", STREAM.process, 0).subarray(0, 10));
  await expect.poll(isClosed).toBe(true);
  await expect.poll(() => server.size).toBe(0);
});
