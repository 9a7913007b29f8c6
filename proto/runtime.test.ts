import fc from "fast-check";
import protobuf from "protobufjs";
import { describe, expect, test } from "vitest";
import { DecodeError } from "./codec.ts";
import { grpc } from "./gen/messages.js";
import { agentService } from "./gen/services.js";
import { uint64 } from "./uint64.ts";

/** Field 2 of POSIXRlimit, an uint64, as varint bytes. */
const hard = (...bytes: number[]): Uint8Array => Uint8Array.from([16, ...bytes]);
const unlimited = hard(255, 255, 255, 255, 255, 255, 255, 255, 255, 1);
const encode = (message: { Hard: number }): Uint8Array => new Uint8Array(grpc.POSIXRlimit.encode(message).finish());
const decode = (bytes: Uint8Array): unknown => grpc.POSIXRlimit.decode(bytes).Hard;

test("64-bit integers that must not be rounded are text, to the last bit", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (value) => {
      const bytes = grpc.LinuxSeccompArg.encode({ Value: String(value), Op: "x" }).finish();
      expect(grpc.LinuxSeccompArg.decode(bytes)).toMatchObject({ Value: String(value), ValueTwo: "0", Index: 0 });
    }),
  );
});

describe("a message of very many fields", () => {
  const MOST = 1 << 17;
  const decodes = (bytes: Uint8Array) => () => grpc.CreateContainerRequest.decode(bytes);

  test("is refused before it fills the memory, however short its fields are", () => {
    // An empty Device each: field 4 of no length.
    const devices = (count: number) => Buffer.alloc(2 * count, Buffer.from([(4 << 3) | 2, 0]));
    expect(decodes(devices(MOST))).not.toThrow();
    expect(decodes(devices(MOST + 1))).toThrow(`more than ${MOST} fields`);
  });

  test("is refused as well when they are of nested messages, or numbers of a packed field", () => {
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

describe("64-bit integers are numbers", () => {
  test("no limit, 2^64-1, reads as a number over every limit", () => {
    expect(decode(unlimited)).toBe(2 ** 64);
    expect(uint64(grpc.POSIXRlimit.decode(unlimited).Hard)).toBe(18446744073709551615n);
  });

  test("a number of 2^64 and over is written as 2^64-1, never as 0", () => {
    expect(encode({ Hard: Number("18446744073709551615") })).toEqual(unlimited);
    expect(encode({ Hard: Number.POSITIVE_INFINITY })).toEqual(unlimited);
  });

  test("a negative number in an unsigned field is its two's complement", () => {
    expect(encode({ Hard: -1 })).toEqual(unlimited);
  });

  test("a signed field keeps its sign and stops at its ends", () => {
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

  test("every safe integer survives, signed and unsigned, and has the bytes of the reference writer", () => {
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

  test("uint64 is exact for safe integers and never negative", () => {
    expect([0, 1, 2 ** 53, -5, Number.NaN, 2 ** 63].map(uint64)).toEqual([0n, 1n, 2n ** 53n, 0n, 0n, 2n ** 63n]);
  });

  test("a varint of more than ten bytes is refused", () => {
    expect(() => decode(hard(...Array(10).fill(255), 1))).toThrow("invalid varint");
  });
});

describe("decoded messages", () => {
  const { request } = agentService.CreateContainer;

  test("absent scalars are defaults, absent lists and maps are empty, absent messages are null", () => {
    const message = request.decode(new Uint8Array());
    expect(message.container_id).toBe("");
    expect(message.sandbox_pidns).toBe(false);
    expect(message.stdin_port).toBe(0);
    expect(message.devices).toEqual([]);
    expect(message.OCI).toBeNull();
    expect(grpc.Spec.decode(new Uint8Array()).Annotations).toEqual({});
  });

  test("optional fields tell 0 from absent", () => {
    const there = (errnoret?: number) =>
      grpc.LinuxSyscall.decode(grpc.LinuxSyscall.encode({ errnoret }).finish()).errnoret;
    expect([there(), there(0), there(1)]).toEqual([null, 0, 1]);
  });

  test("a map key __proto__ is a key like any other", () => {
    const annotations = JSON.parse('{"__proto__": "x", "constructor": "y"}') as Record<string, string>;
    const decoded = request.decode(request.encode({ OCI: { Annotations: annotations } })).OCI?.Annotations ?? {};
    expect(Object.entries(decoded)).toEqual([
      ["__proto__", "x"],
      ["constructor", "y"],
    ]);
    expect(Object.hasOwn(Object.prototype, "x")).toBe(false);
  });

  test("fields from the future are dropped", () => {
    const bytes = protobuf.Writer.create().uint32(10).string("id").uint32(8000).uint32(7).finish();
    expect({ ...request.decode(bytes) }).toEqual({ container_id: "id", devices: [], storages: [], shared_mounts: [] });
  });

  test("plain Uint8Array and Buffer input decode alike, byte fields being views", () => {
    const { request } = agentService.CopyFile;
    const bytes = request.encode({ path: "/é", data: Buffer.from("data") });
    const decoded = request.decode(new Uint8Array(bytes));
    expect({ ...decoded, data: [...decoded.data] }).toEqual({ path: "/é", data: [...Buffer.from("data")] });
    const view = request.decode(bytes).data;
    expect(view.buffer).toBe(bytes.buffer);
  });

  test("bad bytes give one DecodeError of one line, and nothing else, whatever they are", () => {
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

  test("a string that is not UTF-8 is refused", () => {
    expect(() => request.decode(Uint8Array.of(10, 2, 0xc3, 0x28))).toThrow(DecodeError);
  });
});
