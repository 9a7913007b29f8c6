import fc from "fast-check";
import { expect, test } from "vitest";
import { DEFAULT_DETACH_KEYS, DetachFilter, detachKeys } from "./detach-keys.ts";

test("reads docker's notation", () => {
  expect(detachKeys("ctrl-p,ctrl-q")).toEqual(DEFAULT_DETACH_KEYS);
  expect([...detachKeys("ctrl-@,A,ctrl-[,ctrl-_,~")]).toEqual([0, 65, 27, 31, 126]);
  expect([...detachKeys("")]).toEqual([]);
});

test.each(["ctrl-", "ctrl-1", "ab", "a,,b", "é"])("refuses %s as keys", (text) =>
  expect(() => detachKeys(text)).toThrow("Expected keys such as ctrl-p,ctrl-q"),
);

test("detaches at the keys, even if they arrive one by one, and passes on what came before", () => {
  const filter = new DetachFilter(DEFAULT_DETACH_KEYS);
  expect(filter.push(Uint8Array.of(97, 16))).toEqual({ bytes: Uint8Array.of(97), isDetached: false });
  expect(filter.push(Uint8Array.of(17, 98))).toEqual({ bytes: Uint8Array.of(), isDetached: true });
});

test("passes on everything up to the first occurrence of the keys, however it is split", () => {
  const byte = fc.integer({ min: 0, max: 2 });
  const keys = fc.array(byte, { minLength: 1, maxLength: 4 });
  const pieces = fc.array(fc.array(byte, { maxLength: 6 }), { maxLength: 12 });
  fc.assert(
    fc.property(keys, pieces, (wanted, typed) => {
      const filter = new DetachFilter(Uint8Array.from(wanted));
      const all = typed.flat();
      const at = all.findIndex((_, start) => wanted.every((key, index) => all[start + index] === key));
      let isDetached = false;
      const passed: number[] = [];
      for (const piece of typed) {
        if (isDetached) break;
        const result = filter.push(Uint8Array.from(piece));
        passed.push(...result.bytes);
        ({ isDetached } = result);
      }
      expect(isDetached).toBe(at >= 0);
      if (at >= 0) expect(passed).toEqual(all.slice(0, at));
      else expect(all.slice(0, passed.length)).toEqual(passed);
      if (at < 0) expect(wanted.slice(0, all.length - passed.length)).toEqual(all.slice(passed.length));
    }),
  );
});
