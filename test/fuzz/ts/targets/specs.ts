import { cgroupPath } from "../../../../agent/container/cgroup/cgroup-path.ts";
import { deviceFilter } from "../../../../agent/container/cgroup/device-filter.ts";
import { deviceRules } from "../../../../agent/container/cgroup/device-rules.ts";
import { withPrivilegedDevices } from "../../../../agent/container/cgroup/privileged-devices.ts";
import { checkSpec } from "../../../../agent/container/plan/check-spec.ts";
import { compileCreate } from "../../../../agent/container/plan/compile-create.ts";
import { describeSeccomp } from "../../../../agent/container/seccomp/describe-seccomp.ts";
import type { Spec } from "../../../../agent/container/spec.ts";
import { AgentError } from "../../../../agent/kernel/error.ts";
import { encodePlan } from "../../../../agent/kernel/init/plan-encode.ts";
import { encodeSeccomp } from "../../../../agent/kernel/sys/seccomp-compiler.ts";
import { toSpec } from "../../../../agent/service/oci-spec.ts";
import { codec, DecodeError } from "../../../../proto/codec.ts";
import { grpc } from "../../../../proto/gen/messages.js";
import { type FuzzTarget, promise, refuses } from "../target.ts";
import { seedSpec } from "./seed-spec.ts";

const spec = codec("grpc.Spec", grpc.Spec);

export const specs: FuzzTarget = {
  name: "specs",
  promise:
    "the bytes of a spec are refused with one line, or become a plan that init can read, with a cgroup below the root",
  seeds: () => {
    const { Seccomp: _, UIDMappings: _u, GIDMappings: _g, ...linux } = seedSpec.Linux;
    const Namespaces = linux.Namespaces.filter(({ Type }) => Type !== "user");
    return [spec.encode(seedSpec), spec.encode({ ...seedSpec, Linux: { ...linux, Namespaces } })];
  },
  maxLength: 8192,
  run(input) {
    let checked: Spec;
    try {
      checked = withPrivilegedDevices(toSpec(spec.decode(input)));
      checkSpec(checked);
    } catch (error) {
      refuses(error, AgentError, DecodeError);
      return;
    }
    try {
      if (checked.linux.seccomp !== undefined) {
        const { filter, fields } = describeSeccomp(checked.linux.seccomp);
        const entries = 1 + filter.architectures.length + filter.rules.length;
        promise(entries === fields.length, "each entry of the filter has a field");
        promise(encodeSeccomp(filter).length > 0, "the filter can be packed");
      }
    } catch (error) {
      refuses(error, AgentError);
    }
    try {
      const path = cgroupPath(checked.linux.cgroupsPath, "c");
      promise(!path.split("/").includes(".."), "the cgroup has no ..");
    } catch (error) {
      refuses(error, AgentError);
    }
    const filter = deviceFilter(deviceRules(checked.linux));
    promise(filter.length % 8 === 0 && filter.length <= 8 * 4096, `a device filter of ${filter.length} bytes`);
    try {
      const plan = compileCreate(checked, {
        env: checked.process.env,
        hasLabel: () => true,
        seccomp: undefined,
      });
      encodePlan(plan.steps.map(({ op }) => op));
    } catch (error) {
      refuses(error, AgentError);
    }
  },
};
