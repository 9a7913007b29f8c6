import { describe, expect, test } from "vitest";
import { type QemuMachine, qemuArguments } from "./qemu-command.ts";

const machine: QemuMachine = {
  architecture: "x86_64",
  type: "q35",
  accelerator: "tcg",
  memoryMib: 512,
  cpus: 1,
  hotplug: false,
  kernel: "/k/vmlinuz",
  initrd: "/k/initrd",
  image: { path: "/k/guest.img", mib: 96 },
  kernelArgs: ["agent.log=debug"],
  vsock: { kind: "vhost-user", socket: "/d/vhost.sock", path: "/d/vm.vsock" },
  shares: [{ tag: "kataShared", socket: "/d/fs0.sock" }],
};

/** Returns the values that follow an option. */
function values(argv: readonly string[], option: string): readonly string[] {
  return argv.flatMap((word, index) => (argv[index - 1] === option ? [word] : []));
}

describe("qemuArguments", () => {
  test("a q35 guest gets the image as a read-only NVDIMM, a vhost-user vsock, and a share on shared memory", () => {
    expect(qemuArguments(machine).join(" ")).toBe(
      "-M q35,nvdimm=on,memory-backend=mem -accel tcg,tb-size=96 -cpu max,-erms,-fsrm,-la57,-pku -smp 1 -m 512M,slots=2,maxmem=1632M " +
        "-object memory-backend-memfd,id=mem,size=512M,share=on " +
        "-nodefaults -no-user-config -display none -serial stdio -no-reboot " +
        "-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny " +
        "-kernel /k/vmlinuz -initrd /k/initrd -append console=ttyS0 quiet panic=-1 cryptomgr.notests initcall_blacklist=tracer_init_tracefs mitigations=off no_timer_check swiotlb=noforce " +
        "root=/dev/pmem0p1 rootfstype=erofs rootflags=dax=always ro agent.log=debug " +
        "-object memory-backend-file,id=image,mem-path=/k/guest.img,size=96M,share=on,readonly=on " +
        "-device nvdimm,memdev=image,unarmed=on " +
        "-device pcie-root-port,id=vsock-port,chassis=20,bus=pcie.0,addr=0x1c.0,multifunction=on " +
        "-device pcie-root-port,id=share-port,chassis=21,bus=pcie.0,addr=0x1c.1,multifunction=on " +
        "-device pcie-root-port,id=card-port,chassis=22,bus=pcie.0,addr=0x1c.2,multifunction=on " +
        "-device pcie-root-port,id=spare-port,chassis=23,bus=pcie.0,addr=0x1c.3,multifunction=on " +
        "-chardev socket,id=vsock-socket,path=/d/vhost.sock " +
        "-device vhost-user-vsock-pci,id=vsock,chardev=vsock-socket,bus=vsock-port " +
        "-chardev socket,id=fs0-socket,path=/d/fs0.sock " +
        "-device vhost-user-fs-pci,id=fs0,chardev=fs0-socket,tag=kataShared,queue-size=1024,bus=share-port",
    );
  });

  test("uses the host's processor under KVM", () => {
    const argv = qemuArguments({ ...machine, accelerator: "kvm", cpus: 2 });
    expect([values(argv, "-accel"), values(argv, "-cpu"), values(argv, "-smp")]).toEqual([["kvm"], ["host"], ["2"]]);
    expect(values(argv, "-append").join()).not.toMatch(/mitigations|no_timer_check/);
  });

  test("passes only a context id to the host kernel's vsock device", () => {
    const argv = qemuArguments({ ...machine, vsock: { kind: "vhost", cid: 4711 }, shares: [] });
    expect(values(argv, "-device")).toContain("vhost-vsock-pci,id=vsock,guest-cid=4711,bus=vsock-port");
    expect(values(argv, "-chardev")).toEqual([]);
  });

  test("gives a guest that is reached over virtio-serial a port, which a restored one gets later, and names it", () => {
    const serial = { ...machine, shares: [], hasChannel: true };
    const argv = qemuArguments({ ...serial, vsock: { kind: "serial", socket: "/d/s", path: "/d/vm.vsock" } });
    expect(values(argv, "-device")).toEqual(
      expect.arrayContaining([
        "virtio-serial-pci,id=channel,max_ports=2,bus=vsock-port",
        "virtserialport,id=vsock,chardev=vsock-socket,name=guestd.channel,bus=channel.0,nr=1",
      ]),
    );
    expect(values(argv, "-chardev")).toEqual(["socket,id=vsock-socket,path=/d/s"]);
    expect(values(argv, "-append").join()).toContain(" agent.channel=guestd.channel agent.log=debug");
    const later = values(qemuArguments({ ...serial, vsock: undefined }), "-device");
    expect(later.filter((device) => /serial/.test(device))).toEqual([
      "virtio-serial-pci,id=channel,max_ports=2,bus=vsock-port",
    ]);
  });

  test("a guest that returns memory has a balloon, also when it is restored", () => {
    const balloon = "virtio-balloon-pci,id=balloon,free-page-reporting=on,addr=0x1b";
    const returning = { ...machine, returnsMemory: true };
    expect(values(qemuArguments(returning), "-device")).toContain(balloon);
    const restored = { ...returning, vsock: undefined, shares: [], incoming: { memory: "empty" } };
    expect(values(qemuArguments(restored), "-device")).toContain(balloon);
    expect(qemuArguments(machine).join()).not.toContain("balloon");
  });

  test("a guest with disks has slots and addresses for eight times its memory", () => {
    expect(values(qemuArguments({ ...machine, disks: [] }), "-m")).toEqual(["512M,slots=40,maxmem=5728M"]);
    const microvm = qemuArguments({ ...machine, type: "microvm", disks: [] });
    expect(values(microvm, "-m")).toEqual(["512M"]);
  });

  test("omits the NVDIMM and the bounce buffer setting without an image", () => {
    const argv = qemuArguments({ ...machine, image: undefined });
    expect(argv.join(" ")).not.toMatch(/nvdimm|swiotlb|maxmem/);
    expect(values(argv, "-m")).toEqual(["512M"]);
  });

  test("passes the TSC frequency to a microvm, and the image as a disk", () => {
    const argv = qemuArguments({ ...machine, type: "microvm", tscKhz: 2_400_000 });
    expect(values(argv, "-M")).toEqual(["microvm,pcie=on,rtc=on,memory-backend=mem"]);
    expect(values(argv, "-append").join()).toContain(" tsc_early_khz=2400000 ");
    expect(values(argv, "-blockdev").join()).toContain("read-only=on,file.driver=file,file.filename=/k/guest.img");
  });

  test("an arm64 guest gets the image as virtio-pmem and its console on ttyAMA0", () => {
    const argv = qemuArguments({ ...machine, architecture: "aarch64", type: "virt" });
    expect(values(argv, "-M")).toEqual(["virt,memory-backend=mem"]);
    expect(values(argv, "-device")).toContain("virtio-pmem-pci,memdev=image");
    expect(values(argv, "-append").join()).toMatch(/^console=ttyAMA0 (?!.*no_timer_check)/);
    expect(values(argv, "-cpu")).toEqual(["max"]);
  });

  test("a hot-plug guest gets room for processors, memory and devices, and a control socket", () => {
    const argv = qemuArguments({ ...machine, hotplug: true, control: "/d/qmp" });
    expect([values(argv, "-smp"), values(argv, "-m")]).toEqual([["1,maxcpus=4"], ["512M,slots=6,maxmem=4704M"]]);
    expect(values(argv, "-device")).toContain("pcie-root-port,id=port3,chassis=4,bus=pcie.0,addr=0x13");
    expect(values(argv, "-qmp")).toEqual(["unix:/d/qmp,server=on,wait=off"]);
  });

  test("a restored guest waits for its state, without the devices of device programs", () => {
    const argv = qemuArguments({ ...machine, vsock: undefined, shares: [], incoming: { memory: "empty" } });
    expect(argv.join(" ")).toMatch(/ -S -incoming defer$/);
    expect(argv.join(" ")).not.toMatch(/-kernel|-initrd|-append/);
    expect(values(argv, "-chardev")).toEqual([]);
    expect(values(argv, "-object")[0]).toBe("memory-backend-memfd,id=mem,size=512M,share=on");
  });

  test("with the kernel's vsock, a restored guest maps its template's memory and keeps the changes to itself", () => {
    const vsock = { kind: "vhost", cid: 4711 } as const;
    const argv = qemuArguments({ ...machine, vsock, shares: [], incoming: { memory: "/t,1/memory" } });
    expect(values(argv, "-object")[0]).toBe("memory-backend-file,id=mem,size=512M,mem-path=/t,,1/memory,share=off");
    expect(values(argv, "-device")).toContain("vhost-vsock-pci,id=vsock,guest-cid=4711,bus=vsock-port");
  });

  test("escapes commas in paths and tags", () => {
    const argv = qemuArguments({ ...machine, shares: [{ tag: "a,b", socket: "/d,e/fs" }] });
    expect(values(argv, "-chardev")).toContain("socket,id=fs0-socket,path=/d,,e/fs");
    expect(values(argv, "-device")).toContain(
      "vhost-user-fs-pci,id=fs0,chardev=fs0-socket,tag=a,,b,queue-size=1024,bus=share-port",
    );
  });
});
