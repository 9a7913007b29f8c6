import { expect, test } from "vitest";
import type { Process } from "../process.ts";
import { laterProcess } from "./later-process.ts";

const status = { exitCode: 3, signal: 0 };

test("asks a process that is about to be started everything in order, and has its ends", async () => {
  const asked: string[] = [];
  const { promise, resolve } = Promise.withResolvers<Process>();
  const process = laterProcess("x-1", promise);
  const written = process.write(Buffer.from("in"));
  process.endInput();
  process.resize(30, 100);
  const signalled = process.signal(9);
  process.detach();
  expect([process.id, process.epoch, asked]).toEqual(["x-1", undefined, []]);
  resolve({
    ...{ id: "x-1", epoch: "e", started: Promise.resolve(), ended: Promise.resolve(status) },
    write: async (bytes) => void asked.push(`write ${bytes}`),
    endInput: () => void asked.push("end"),
    signal: async (number) => void asked.push(`signal ${number}`),
    resize: (rows, columns) => void asked.push(`resize ${rows} ${columns}`),
    detach: () => void asked.push("detach"),
  });
  await Promise.all([written, signalled, process.started]);
  expect(await process.ended).toEqual(status);
  expect(asked).toEqual(["write in", "end", "resize 30 100", "signal 9", "detach"]);
  expect(process.epoch).toBe("e");
});

test("fails like the start", async () => {
  const process = laterProcess("x-1", Promise.reject(new Error("user joe: not in the image")));
  process.endInput();
  process.detach();
  for (const end of [process.started, process.ended, process.write(Buffer.of(1)), process.signal(9)]) {
    await expect(end).rejects.toThrow("user joe: not in the image");
  }
});
