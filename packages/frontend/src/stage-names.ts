/** The name of the empty image: FROM it is no pull (D064). */
export const EMPTY_IMAGE = "scratch";
