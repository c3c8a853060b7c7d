/** Lower folders of one overlay mount (OVL_MAX_STACK of the kernel's fs/overlayfs). */
export const MAX_LOWERS = 500;

/**
 * The same before Linux 6.8, which take all of them in one string of 255 bytes: so many names like "/proc/self/fd/12345" fit with their
 * separators.
 */
export const MAX_LOWERS_IN_A_STRING = 12;
