import { describe, expect, test } from "vitest";
import type { Init } from "../../proto/codec.ts";
import { grpc } from "../../proto/gen/messages.js";
import { passedOverOfProcess, toProcess, toProcessSettings, unsupportedOfProcess } from "./oci-process.ts";

const process = (parts: Init<grpc.Process>) => grpc.Process.decode(grpc.Process.encode(parts).finish());
const linux = (parts: Init<grpc.Linux>) => grpc.Linux.decode(grpc.Linux.encode(parts).finish());

describe("a decoded process", () => {
  test("has no optional fields unless they were sent", () => {
    const keys = Object.keys(toProcess(process({ Args: ["x"] }))).sort();
    expect(keys).toEqual(["args", "cwd", "env", "noNewPrivileges", "oomScoreAdj", "rlimits", "terminal", "user"]);
    expect(toProcess(process({})).user).toEqual({ uid: 0, gid: 0, additionalGids: [] });
    expect(toProcessSettings(linux({}))).toEqual({});
  });

  test("has the names of the OCI runtime spec", () => {
    const given = toProcess(
      process({
        User: { Umask: 0 },
        Scheduler: { Policy: "SCHED_FIFO", Nice: -3, Priority: 2, Flags: ["f"], Runtime: 1, Deadline: 2, Period: 3 },
        IOPriority: { Class: "IOPRIO_CLASS_RT", Priority: 4 },
        ExecCPUAffinity: { Initial: "0", Final: "1" },
        ApparmorProfile: "a",
        SelinuxLabel: "s",
      }),
    );
    expect(given).toMatchObject({
      user: { umask: 0 },
      scheduler: { policy: "SCHED_FIFO", nice: -3, priority: 2, flags: ["f"], runtime: 1, deadline: 2, period: 3 },
      ioPriority: { class: "IOPRIO_CLASS_RT", priority: 4 },
      execCPUAffinity: { initial: "0", final: "1" },
      apparmorProfile: "a",
      selinuxLabel: "s",
    });
  });

  test("has the settings of grpc.Linux that concern it", () => {
    const given = linux({
      Sysctl: { "net.core.somaxconn": "1" },
      Personality: { Domain: "LINUX32", Flags: ["f"] },
      MountLabel: "m",
    });
    expect(toProcessSettings(given)).toEqual({
      sysctl: { "net.core.somaxconn": "1" },
      personality: { domain: "LINUX32", flags: ["f"] },
      mountLabel: "m",
    });
  });

  test("is refused if its user has only a name, as it would run as root", () => {
    expect(unsupportedOfProcess(process({ User: { Username: "ann" } }))).toEqual(["process.user.username"]);
    for (const User of [{ Username: "ann", UID: 7 }, { Username: "root" }, { UID: 0 }]) {
      expect(unsupportedOfProcess(process({ User }))).toEqual([]);
    }
  });

  test("has its uid whatever the user's name, and the ignored name is reported", () => {
    expect(passedOverOfProcess(process({ User: { Username: "ann", UID: 7 } }))).toEqual([
      "OCI spec: process.user.username is passed over, the process has the uid 7",
    ]);
    expect(passedOverOfProcess(process({ User: { UID: 7 } }))).toEqual([]);
    expect(passedOverOfProcess(process({}))).toEqual([]);
  });
});
