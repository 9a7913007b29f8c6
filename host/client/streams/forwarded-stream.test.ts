import { once } from "node:events";
import { type Duplex, duplexPair, PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { expect, onTestFinished, test, vi } from "vitest";
import { codec } from "../../../proto/codec.ts";
import { guestd } from "../../../proto/gen/messages.js";
import { encodeStreamFrame, STREAM } from "../../../proto/stream-frame.ts";
import { ForwardedStream } from "./forwarded-stream.ts";

const failure = codec("guestd.v1.Failure", guestd.v1.Failure);

/** A stream, and the agent's ends of its connections. */
function start(): { stream: ForwardedStream; upload: Duplex; download: Duplex } {
  const [ours, upload] = duplexPair();
  const [ourDownload, download] = duplexPair();
  for (const socket of [ours, upload, ourDownload, download]) socket.on("error", () => undefined);
  return { stream: new ForwardedStream(ours, ourDownload), upload, download };
}

const end = (total: number) => encodeStreamFrame("forwardEnd", STREAM.process, total);

test("ends where the agent says, whether the announcement or the data comes first", async () => {
  for (const isFirst of [true, false]) {
    const { stream, upload, download } = start();
    const reading = text(stream);
    if (isFirst) upload.write(end(4));
    download.write("da");
    await new Promise(setImmediate);
    download.write("ta");
    if (!isFirst) upload.write(end(4));
    expect(await reading).toBe("data");
    stream.end();
  }
});

test("announces how much it has sent", async () => {
  const { stream, upload, download } = start();
  stream.write("12");
  stream.end("345");
  const [announced] = await once(download, "data");
  expect(announced).toEqual(end(5));
  expect(String(upload.read())).toBe("12345");
});

test("fails as cut if what is written, or its end, can't be sent", async () => {
  for (const write of ["data", ""]) {
    const [ours, ourDownload] = [new PassThrough(), new PassThrough()];
    for (const socket of [ours, ourDownload]) socket.on("error", () => undefined);
    const stream = new ForwardedStream(ours, ourDownload);
    const failing = once(stream, "error");
    for (const socket of [ours, ourDownload]) socket.destroy();
    if (write === "") stream.end();
    else stream.write(write);
    expect(await failing).toMatchObject([{ kind: "cut", message: "forward: the connection was lost after 0 bytes" }]);
  }
});

test("fails if a connection is lost, more bytes come than announced, or the agent reports an error", async () => {
  const message = "forward: the target reset";
  const cases: [(agent: ReturnType<typeof start>) => void, object][] = [
    [({ download }) => download.end("da"), { kind: "cut", message: "forward: the connection was lost after 2 bytes" }],
    [({ upload }) => upload.end(), { kind: "cut" }],
    [({ upload, download }) => download.write("data", () => upload.write(end(2))), { kind: "cut" }],
    [
      ({ upload }) =>
        upload.write(encodeStreamFrame("error", STREAM.process, 0, failure.encode({ kind: "internal", message }))),
      { kind: "internal", message },
    ],
    [({ upload }) => upload.write(Buffer.alloc(16, 99)), { name: "StreamFrameError" }],
  ];
  for (const [act, error] of cases) {
    const agent = start();
    const reading = text(agent.stream);
    act(agent);
    await expect(reading).rejects.toMatchObject(error);
  }
});

test("holds the target back while its reader takes nothing, and ends with all data though the agent is gone", async () => {
  const { stream, upload, download } = start();
  let written = 0;
  const fill = () => {
    while (written < 10_000_000 && download.write(Buffer.alloc(10_000))) written += 10_000;
  };
  download.on("drain", fill);
  fill();
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(written).toBeLessThan(400_000);
  expect(stream.readableLength).toBeLessThan(200_000);
  stream.end();
  download.resume();
  download.removeListener("drain", fill);
  const total = written + 10_000; // the write that was not taken at once
  upload.end(end(total));
  download.end();
  expect((await text(stream)).length).toBe(total);
});

test("a reader that pauses for minutes keeps its connections, and gets all data then", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "setInterval"] });
  onTestFinished(() => void vi.useRealTimers());
  const { stream, upload, download } = start();
  download.write("da");
  await once(stream, "readable");
  await vi.advanceTimersByTimeAsync(600_000);
  expect([upload.destroyed, download.destroyed]).toEqual([false, false]);
  upload.write(end(4));
  download.write("ta");
  expect(await text(stream)).toBe("data");
});
