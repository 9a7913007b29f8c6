import fc from "fast-check";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { ociSpec } from "../scenarios/oci.ts";
import type { SpecTemplate } from "./observer.ts";

const { Process, Linux } = ociSpec("/", []);
const NODE_CAPABILITIES = ["CAP_MKNOD", "CAP_DAC_OVERRIDE"];
const access = fc.constantFrom("r", "w", "m", "rw", "rm", "rwm");
/** Type and numbers of devices that the probe tries; -1 is any. */
const NUMBERS: readonly (readonly [string, number, number])[] = [
  ...([1, 3, 11, -1] as const).map((minor) => ["c", 1, minor] as const),
  ...([
    ["c", 4, 0],
    ["c", 10, 229],
    ["c", 240, 3],
    ["c", -1, -1],
    ["b", 7, 0],
    ["b", 254, -1],
    ["b", -1, -1],
  ] as const),
];

const allowed: fc.Arbitrary<Init<grpc.LinuxDeviceCgroup>> = fc
  .record({ device: fc.constantFrom(...NUMBERS), Access: access })
  .map(({ device: [Type, Major, Minor], Access }) => ({ Allow: true, Type, Major, Minor, Access }));
const all = (Allow: boolean) => ({ Allow, Type: "a", Access: "rwm" });

/**
 * Rules as hosts send them: none, everything, or some after the denial of all. A denial of some devices is left out:
 * here the last matching rule applies, but runc treats a denial as cgroup v1 did: it removes an equal rule, or fails.
 */
const rules = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom([], [all(true)]) },
  { weight: 4, arbitrary: fc.array(allowed, { maxLength: 5 }).map((list) => [all(false), ...list]) },
);

/** A usual container with the capability to create nodes, and with device rules. */
export const arbitraryDeviceRules: fc.Arbitrary<SpecTemplate> = fc
  .record({ Rules: rules, kmsg: fc.boolean() })
  .map(({ Rules, kmsg }) => {
    const sets = { Bounding: NODE_CAPABILITIES, Effective: NODE_CAPABILITIES, Permitted: NODE_CAPABILITIES };
    const Devices = kmsg ? [{ Path: "/dev/kmsg", Type: "c", Major: 1, Minor: 11 }] : [];
    return ociSpec("ROOTFS", [], {
      Process: { ...Process, Args: ["/probe"], Capabilities: sets },
      Linux: { ...Linux, Devices, Resources: { Devices: Rules } },
    });
  });
