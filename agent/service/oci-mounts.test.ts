import { describe, expect, test } from "vitest";
import type { Init } from "../../proto/codec.ts";
import { grpc } from "../../proto/gen/messages.js";
import { toMount, toNamespaces } from "./oci-mounts.ts";

const decoded = (parts: Init<grpc.Linux>) => grpc.Linux.decode(grpc.Linux.encode(parts).finish());
const ids = { ContainerID: 0, HostID: 100_000, Size: 65_536 };
const mapping = { containerID: 0, hostID: 100_000, size: 65_536 };

describe("a message", () => {
  test("yields a mount with its options and id maps", () => {
    const mount = grpc.Mount.decode(
      grpc.Mount.encode({
        destination: "/d",
        source: "/s",
        type: "bind",
        options: ["ro"],
        uidMappings: [ids],
      }).finish(),
    );
    expect(toMount(mount)).toEqual({
      ...{ destination: "/d", source: "/s", type: "bind", options: ["ro"] },
      uidMappings: [mapping],
    });
  });

  test("yields namespaces with id maps, clocks and propagation", () => {
    const linux = decoded({
      Namespaces: [{ Type: "user" }, { Type: "time" }],
      UIDMappings: [ids],
      GIDMappings: [ids],
      TimeOffsets: { boottime: { Secs: -5, Nanosecs: 7 } },
      RootfsPropagation: "rshared",
    });
    expect(toNamespaces(linux)).toEqual({
      namespaces: [
        { type: "user", path: "" },
        { type: "time", path: "" },
      ],
      uidMappings: [mapping],
      gidMappings: [mapping],
      timeOffsets: { boottime: { secs: -5, nanosecs: 7 } },
      rootfsPropagation: "rshared",
    });
  });

  test("yields nothing for fields that were not sent", () => {
    expect(toNamespaces(decoded({}))).toEqual({ namespaces: [], rootfsPropagation: "" });
    expect(toNamespaces(null)).toEqual({ namespaces: [], rootfsPropagation: "" });
  });
});
