/** Version of the command and of the packages it is made of. */
export const VERSION = "0.1.0";
