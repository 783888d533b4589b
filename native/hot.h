/* What the parts of the library share. */

#ifndef HOT_H
#define HOT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

extern PyTypeObject PickType;

#endif
