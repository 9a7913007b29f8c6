import fc from "fast-check";
import protobuf from "protobufjs";
import { describe, expect, test } from "vitest";
import { DecodeError } from "./codec.ts";
import { grpc } from "./gen/messages.js";
import { agentService } from "./gen/services.js";
import { uint64 } from "./uint64.ts";

/** Encodes field 2 of POSIXRlimit, a uint64, from varint bytes. */
const hard = (...bytes: number[]): Uint8Array => Uint8Array.from([16, ...bytes]);
const unlimited = hard(255, 255, 255, 255, 255, 255, 255, 255, 255, 1);
const encode = (message: { Hard: number }): Uint8Array => new Uint8Array(grpc.POSIXRlimit.encode(message).finish());
const decode = (bytes: Uint8Array): unknown => grpc.POSIXRlimit.decode(bytes).Hard;

test("reads and writes exact 64-bit integers as text", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (value) => {
      const bytes = grpc.LinuxSeccompArg.encode({ Value: String(value), Op: "x" }).finish();
      expect(grpc.LinuxSeccompArg.decode(bytes)).toMatchObject({ Value: String(value), ValueTwo: "0", Index: 0 });
    }),
  );
});

describe("a message with very many fields", () => {
  const MOST = 1 << 17;
  const decodes = (bytes: Uint8Array) => () => grpc.CreateContainerRequest.decode(bytes);

  test("is refused before it exhausts memory, however short its fields are", () => {
    // Each is an empty Device: field 4 with length 0.
    const devices = (count: number) => Buffer.alloc(2 * count, Buffer.from([(4 << 3) | 2, 0]));
    expect(decodes(devices(MOST))).not.toThrow();
    expect(decodes(devices(MOST + 1))).toThrow(`more than ${MOST} fields`);
  });

  test("is refused also if they are in nested messages or a packed field", () => {
    const Env = Array(MOST).fill("");
    expect(decodes(grpc.CreateContainerRequest.encode({ OCI: { Process: { Env } } }).finish())).toThrow("more than");
    const AdditionalGids = Array(MOST).fill(1);
    expect(
      decodes(grpc.CreateContainerRequest.encode({ OCI: { Process: { User: { AdditionalGids } } } }).finish()),
    ).toThrow("more than");
    const PCIPath = Array(MOST + 1).fill(1);
    expect(() => grpc.AddSwapRequest.decode(grpc.AddSwapRequest.encode({ PCIPath }).finish())).toThrow("more than");
  });
});

describe("a 64-bit integer", () => {
  test("of 2^64-1, for no limit, reads as a number above every limit", () => {
    expect(decode(unlimited)).toBe(2 ** 64);
    expect(uint64(grpc.POSIXRlimit.decode(unlimited).Hard)).toBe(18446744073709551615n);
  });

  test("of 2^64 or more is written as 2^64-1, never as 0", () => {
    expect(encode({ Hard: Number("18446744073709551615") })).toEqual(unlimited);
    expect(encode({ Hard: Number.POSITIVE_INFINITY })).toEqual(unlimited);
  });

  test("that is negative in an unsigned field becomes its two's complement", () => {
    expect(encode({ Hard: -1 })).toEqual(unlimited);
  });

  test("keeps its sign in a signed field and is clamped to its range", () => {
    const there = (Limit: number) => grpc.LinuxMemory.decode(grpc.LinuxMemory.encode({ Limit }).finish()).Limit;
    expect([-1, -(2 ** 40), 2 ** 40, 2 ** 63, -(2 ** 64), 2 ** 70].map(there)).toEqual([
      -1,
      -(2 ** 40),
      2 ** 40,
      2 ** 63,
      -(2 ** 63),
      2 ** 63,
    ]);
  });

  test("survives a round trip if safe, and has the bytes of the reference writer", () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) => {
        const size = Math.abs(value);
        expect(decode(encode({ Hard: size }))).toBe(size);
        const bytes = grpc.LinuxMemory.encode({ Limit: value }).finish();
        expect(grpc.LinuxMemory.decode(bytes).Limit).toBe(value);
        const reference = protobuf.Writer.create().uint32(8).int64(value).finish();
        expect([...bytes]).toEqual(value === 0 ? [] : [...reference]);
      }),
    );
  });

  test("is converted by uint64 exactly if safe, and never to a negative value", () => {
    expect([0, 1, 2 ** 53, -5, Number.NaN, 2 ** 63].map(uint64)).toEqual([0n, 1n, 2n ** 53n, 0n, 0n, 2n ** 63n]);
  });

  test("is refused as a varint of more than ten bytes", () => {
    expect(() => decode(hard(...Array(10).fill(255), 1))).toThrow("invalid varint");
  });
});

describe("a decoded message", () => {
  const { request } = agentService.CreateContainer;

  test("has defaults for absent scalars, empty lists and maps, and null for absent messages", () => {
    const message = request.decode(new Uint8Array());
    expect(message.container_id).toBe("");
    expect(message.sandbox_pidns).toBe(false);
    expect(message.stdin_port).toBe(0);
    expect(message.devices).toEqual([]);
    expect(message.OCI).toBeNull();
    expect(grpc.Spec.decode(new Uint8Array()).Annotations).toEqual({});
  });

  test("distinguishes 0 from absent in optional fields", () => {
    const there = (errnoret?: number) =>
      grpc.LinuxSyscall.decode(grpc.LinuxSyscall.encode({ errnoret }).finish()).errnoret;
    expect([there(), there(0), there(1)]).toEqual([null, 0, 1]);
  });

  test("treats a map key __proto__ like any other", () => {
    const annotations = JSON.parse('{"__proto__": "x", "constructor": "y"}') as Record<string, string>;
    const decoded = request.decode(request.encode({ OCI: { Annotations: annotations } })).OCI?.Annotations ?? {};
    expect(Object.entries(decoded)).toEqual([
      ["__proto__", "x"],
      ["constructor", "y"],
    ]);
    expect(Object.hasOwn(Object.prototype, "x")).toBe(false);
  });

  test("drops unknown fields", () => {
    const bytes = protobuf.Writer.create().uint32(10).string("id").uint32(8000).uint32(7).finish();
    expect({ ...request.decode(bytes) }).toEqual({ container_id: "id", devices: [], storages: [], shared_mounts: [] });
  });

  test("is the same from a Uint8Array and a Buffer, with views as byte fields", () => {
    const { request } = agentService.CopyFile;
    const bytes = request.encode({ path: "/é", data: Buffer.from("data") });
    const decoded = request.decode(new Uint8Array(bytes));
    expect({ ...decoded, data: [...decoded.data] }).toEqual({ path: "/é", data: [...Buffer.from("data")] });
    const view = request.decode(bytes).data;
    expect(view.buffer).toBe(bytes.buffer);
  });

  test("is never returned for invalid bytes, which give a one-line DecodeError", () => {
    expect(() => request.decode(Uint8Array.of(255, 255))).toThrow(/^decode grpc.CreateContainerRequest of 2 bytes: /);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          request.decode(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
          expect((error as Error).message).not.toContain("\n");
        }
      }),
    );
  });

  test("has no strings that are invalid UTF-8", () => {
    expect(() => request.decode(Uint8Array.of(10, 2, 0xc3, 0x28))).toThrow(DecodeError);
  });
});
