import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Accelerator, chooseAccelerator } from "./accelerator.ts";

describe("chooseAccelerator", () => {
  let directory = "";
  let file = "";
  let device = "";
  const probe = vi.fn<() => Promise<Accelerator>>();

  beforeEach(async () => {
    vi.stubEnv("GUESTD_ACCEL", undefined);
    directory = await mkdtemp(join(tmpdir(), "accelerator-"));
    file = join(directory, "build/accelerator.json");
    device = join(directory, "kvm");
    await writeFile(device, "");
    probe.mockReset().mockResolvedValue({ kind: "kvm", reason: "a guest starts" });
  });

  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(directory, { recursive: true });
  });

  test("probes KVM once and caches the result for this boot", async () => {
    expect(await chooseAccelerator({ file, device, probe })).toEqual({ kind: "kvm", reason: "a guest starts" });
    expect(await chooseAccelerator({ file, device, probe })).toEqual({ kind: "kvm", reason: "a guest starts" });
    expect(probe).toHaveBeenCalledTimes(1);
  });

  test("ignores a result from another boot", async () => {
    await chooseAccelerator({ file, device, probe });
    await writeFile(file, (await readFile(file, "utf8")).replace(/"boot":"[^"]*"/, '"boot":"another"'));
    probe.mockResolvedValue({ kind: "tcg", reason: "hangs" });
    expect((await chooseAccelerator({ file, device, probe })).kind).toBe("tcg");
  });

  test("replaces a damaged cache file", async () => {
    await chooseAccelerator({ file, device, probe });
    await writeFile(file, "{");
    expect((await chooseAccelerator({ file, device, probe })).kind).toBe("kvm");
    expect(probe).toHaveBeenCalledTimes(2);
  });

  test("chooses software emulation without a KVM device, and gives the reason", async () => {
    const missing = join(directory, "none");
    expect(await chooseAccelerator({ file, device: missing, probe })).toEqual({
      kind: "tcg",
      reason: `${missing} cannot be opened: ENOENT`,
    });
    expect(probe).not.toHaveBeenCalled();
  });

  test("follows GUESTD_ACCEL without a probe", async () => {
    vi.stubEnv("GUESTD_ACCEL", "tcg");
    expect((await chooseAccelerator({ file, device, probe })).kind).toBe("tcg");
    expect(probe).not.toHaveBeenCalled();
  });

  test("rejects any other value of GUESTD_ACCEL", async () => {
    vi.stubEnv("GUESTD_ACCEL", "xen");
    await expect(chooseAccelerator({ file, device, probe })).rejects.toThrow('GUESTD_ACCEL is "xen"');
  });
});
