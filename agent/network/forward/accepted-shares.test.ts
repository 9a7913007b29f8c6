import { expect, test } from "vitest";
import { AcceptedShares } from "./accepted-shares.ts";

test("one container's connections leave half of the forwards to others, all containers' a quarter to clients", () => {
  const shares = new AcceptedShares();
  for (let place = 0; place < 64; place++) {
    shares.check("web");
    shares.add(place, "web");
  }
  expect(() => shares.check("web")).toThrow("forward: container web has 64 connections to reverse forwards already");
  for (let place = 64; place < 96; place++) {
    shares.check("db");
    shares.add(place, "db");
  }
  expect(() => shares.check("db")).toThrow("forward: containers have 96 connections to reverse forwards already");
  shares.remove(0);
  expect(() => shares.check("web")).not.toThrow();
});

test("the guest's own listeners count as one container's", () => {
  const shares = new AcceptedShares();
  for (let place = 0; place < 64; place++) shares.add(place, "");
  expect(() => shares.check("")).toThrow("forward: the guest has 64 connections to reverse forwards already");
});
