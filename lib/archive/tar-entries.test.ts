import { setImmediate } from "node:timers/promises";
import { extract } from "tar-stream";
import { expect, test } from "vitest";
import { directory, file, headerOf, layerOfBytes } from "../../image/testing/layers.ts";
import { packTar } from "../../image/write-layout.ts";
import { tarEntries } from "./tar-entries.ts";

async function names(tar: Buffer, visit: (content: AsyncIterable<Uint8Array>) => unknown = () => {}) {
  const found: string[] = [];
  for await (const { header, content } of tarEntries(layerOfBytes(tar).open())) {
    found.push(header.name);
    await visit(content);
  }
  return found;
}

test("skips contents that are not read", async () => {
  const tar = await packTar([file("a", "x".repeat(5000)), directory("d"), file("b", "y")]);
  expect(await names(tar)).toEqual(["a", "d", "b"]);
});

test("closes the source if the caller stops early", async () => {
  const tar = await packTar([file("a", "x".repeat(5000)), file("b", "y")]);
  let ended = false;
  async function* source() {
    try {
      yield* layerOfBytes(tar).open();
    } finally {
      ended = true;
    }
  }
  for await (const { header } of tarEntries(source())) {
    expect(header.name).toBe("a");
    break;
  }
  await expect.poll(() => ended).toBe(true);
});

test("passes an error of the source to the caller", async () => {
  const tar = await packTar([file("a", "x".repeat(5000))]);
  async function* source() {
    yield tar.subarray(0, 600);
    throw new Error("disk on fire");
  }
  const read = async () => {
    for await (const { content } of tarEntries(source())) for await (const _ of content);
  };
  await expect(read()).rejects.toThrow("disk on fire");
});

test.each([
  ["is cut off", undefined, "Unexpected end of data"],
  ["fails", new Error("disk on fire"), "disk on fire"],
])("says why to a caller who begins to read a content after the source %s", async (_what, failure, message) => {
  const tar = await packTar([file("a", "x".repeat(5000))]);
  const ended = Promise.withResolvers<void>();
  async function* source() {
    yield tar.subarray(0, 600);
    ended.resolve();
    if (failure !== undefined) throw failure;
  }
  const read = async () => {
    for await (const { content } of tarEntries(source())) {
      await ended.promise;
      for (let turn = 0; turn < 20; turn++) await setImmediate();
      for await (const _ of content);
    }
  };
  await expect(read()).rejects.toThrow(message);
});

test("refuses a tar without an end mark if one is required, and accepts one of only zeros as empty", async () => {
  const tar = await packTar([file("a", "x"), file("b", "\0".repeat(1024))]);
  const read = async (bytes: Buffer) => {
    const found: string[] = [];
    for await (const { header } of tarEntries(layerOfBytes(bytes).open(), { endMark: true })) found.push(header.name);
    return found;
  };
  expect(await read(tar)).toEqual(["a", "b"]);
  expect(await read(tar.subarray(0, -512))).toEqual(["a", "b"]);
  expect(await read(Buffer.alloc(1024))).toEqual([]);
  for (const end of [0, 1024, tar.length - 1024]) {
    await expect(read(tar.subarray(0, end))).rejects.toThrow("it has no end-of-archive mark: is it cut off?");
  }
  expect(await names(tar.subarray(0, -1024))).toEqual(["a", "b"]);
});

test("reports a malformed binary size instead of waiting forever", async () => {
  const tar = await packTar([file("a", "text")]);
  tar[124] = 0xbb;
  tar.fill(" ", 148, 156);
  const sum = tar.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  tar.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  const read = names(tar, async (content) => {
    for await (const _ of content);
  });
  await expect(read).rejects.toThrow("its size is not a number");
});

test("refuses a tar-stream without the method that checks headers", async () => {
  const prototype = Object.getPrototypeOf(extract()) as { _decodeLongHeader: unknown };
  const method = prototype._decodeLongHeader;
  expect(method).toBeTypeOf("function");
  prototype._decodeLongHeader = undefined;
  const tar = await packTar([file("a", "text")]);
  await expect(names(tar)).rejects.toThrow("unsupported version of tar-stream");
  prototype._decodeLongHeader = method;
  expect(await names(tar)).toEqual(["a"]);
});

test.each([
  ["x", 512 << 10],
  ["g", 4 << 10],
  ["L", 8 << 10],
  ["K", 8 << 10],
])("accepts a header of type %s of %i bytes, and refuses a longer one", async (type, most) => {
  const entry = await packTar([file("a", "text")]);
  const before = (bytes: number) => headerOf(type, Buffer.alloc(bytes, "x"));
  expect(await names(Buffer.concat([await before(most), entry]))).toHaveLength(1);
  await expect(names(Buffer.concat([await before(most + 1), entry]))).rejects.toThrow(
    /^Invalid header: a \S+ of \d+ bytes$/,
  );
});
