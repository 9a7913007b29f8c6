// Where the examples run: in guests of their own with alpine, or with GUESTD_ADDRESS at an agent of this machine.
const { GUESTD_IMAGE: image = "alpine:3.20", GUESTD_ADDRESS: address } = process.env;

export const where = { image, address };
