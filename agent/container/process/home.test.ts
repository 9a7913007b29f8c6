import { describe, expect, it } from "vitest";
import { withHome } from "./home.ts";

const passwd = async () => "root:x:0:0:root:/root:/bin/sh\nbroken\nann:x:1000:100:,,,:/home/ann:/bin/sh\n";

describe("HOME", () => {
  it("stays as the host set it", async () => {
    expect(await withHome(["HOME=/x"], 0, passwd)).toEqual(["HOME=/x"]);
  });

  it("comes from the container's passwd, by user id", async () => {
    expect(await withHome(["A=1"], 1000, passwd)).toEqual(["A=1", "HOME=/home/ann"]);
  });

  it("is / for an unknown user, and without a passwd", async () => {
    expect(await withHome([], 7, passwd)).toEqual(["HOME=/"]);
    expect(await withHome(["HOME="], 0, async () => undefined)).toEqual(["HOME=/"]);
  });
});

it("the last of several entries with one name wins, in the place of the first", async () => {
  const given = ["A=1", "PATH=/x", "A=2", "odd", "PATH=", "odd", "HOME=", "=x", "HOME=/h", "B="];
  expect(await withHome(given, 0, passwd)).toEqual(["A=2", "PATH=", "odd", "HOME=/h", "=x", "B="]);
  expect(await withHome(["HOME=/h", "A=1", "HOME="], 0, passwd)).toEqual(["HOME=/root", "A=1"]);
});
