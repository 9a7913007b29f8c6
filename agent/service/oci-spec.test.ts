import { describe, expect, test } from "vitest";
import type { Init } from "../../proto/codec.ts";
import { grpc } from "../../proto/gen/messages.js";
import { toSpec } from "./oci-spec.ts";

/** A spec as it comes off the wire: unset fields have their defaults. */
function decoded(parts: Init<grpc.Spec>): grpc.Spec {
  const full = { Process: { Args: ["x"] }, Root: { Path: "/r" }, ...parts };
  return grpc.Spec.decode(grpc.Spec.encode(full).finish());
}

describe("a decoded spec", () => {
  test("has the names of the OCI runtime spec", () => {
    const spec = toSpec(
      decoded({
        Process: {
          Args: ["sh"],
          Cwd: "/w",
          User: { UID: 1, GID: 2, AdditionalGids: [3] },
          Rlimits: [{ Type: "RLIMIT_NOFILE", Soft: 1, Hard: 2 ** 64 }],
          ConsoleSize: { Height: 24, Width: 80 },
        },
        Linux: { Namespaces: [{ Type: "ipc" }], Resources: { Memory: { Limit: 5 }, Pids: { Limit: 6 } } },
        Annotations: { a: "b" },
      }),
    );
    expect(spec).toMatchObject({
      process: {
        args: ["sh"],
        cwd: "/w",
        user: { uid: 1, gid: 2, additionalGids: [3] },
        rlimits: [{ type: "RLIMIT_NOFILE", soft: 1n, hard: 18446744073709551615n }],
        consoleSize: { height: 24, width: 80 },
      },
      root: { path: "/r", readonly: false },
      linux: { namespaces: [{ type: "ipc", path: "" }], resources: { memory: { limit: 5 }, pids: { limit: 6 } } },
      annotations: { a: "b" },
      unsupported: [],
    });
  });

  test("has no capabilities if none were sent, so that an exec inherits the container's", () => {
    expect(toSpec(decoded({})).process).not.toHaveProperty("capabilities");
  });

  test.each(["invalid", "2.0.0", "1.2", " 1.2.0"])("of version %j is refused", (Version) => {
    expect(() => toSpec(decoded({ Version }))).toThrow(`OCI spec: ociVersion "${Version}" is none of 1.x.y`);
  });

  test.each(["", "1.0.2-dev", "1.2.0", "1.3.0+dev"])("of version %j is accepted", (Version) => {
    expect(() => toSpec(decoded({ Version }))).not.toThrow();
  });

  test("without process or root is refused", () => {
    expect(() => toSpec(null)).toThrow("no OCI spec");
    expect(() => toSpec(decoded({ Process: null }))).toThrow("no process");
    expect(() => toSpec(decoded({ Root: null }))).toThrow("no root");
  });

  test.each<[string, Init<grpc.Spec>]>([
    ["linux.resources.memory.swappiness", { Linux: { Resources: { Memory: { Swappiness: 1 } } } }],
    ["windows", { Windows: {} }],
    ["linux.intelRdt", { Linux: { IntelRdt: {} } }],
    ["process.user.username", { Process: { Args: ["x"], User: { Username: "ann" } } }],
  ])("names %s, which nothing carries yet", (name, parts) => {
    expect(toSpec(decoded(parts)).unsupported).toEqual([name]);
  });

  test("with empty hooks, as runtime-rs sends them, is accepted", () => {
    expect(toSpec(decoded({ Hooks: {} })).hooks).toBeUndefined();
  });
});
