/* Picks a few values out of a frame of JSON, without building what lies around them.

   A Pick is told the form of the frame:

     "text", "integer", "number",  a value that is wanted; numbers may be written as text. A quantity has no sign, and
     "quantity", "positive",       what is positive is not 0 either; an integer of nanoseconds is answered in seconds
     "nanoseconds"
     b"..."                        a value that must be there, written just so, and is not answered
     {"key": form, ...}            an object: each key must be there once, in any order; others are passed over.
                                   A key that ends in "?" may be missing, and so may those within; what they hold is
                                   None then
     [form]                        an array of exactly one element
     (form, ...)                   an array that begins with these; what follows is passed over
     [..., form]                   an array of any length. What its elements hold must be numbers, and is one tuple;
                                   the keys of objects among them must come in the order of the form

   and, beside the form, what the frame begins with. `read(frame)` answers a tuple of what is wanted, in the order of
   the form, or None for a frame that is not of this form, or written in a way that is unusual: with spaces, escapes,
   letters beyond ASCII or numbers of more figures than a double holds, or no JSON at all. Such a frame is left to a
   general parser. */

#include "hot.h"
#include <math.h>
#include <string.h>

typedef enum { LITERAL, TEXT, NUMBER, QUANTITY, POSITIVE, INTEGER, NANOSECONDS, OBJECT, ONE, BEGINS, MANY } Kind;

typedef struct Node Node;

typedef struct {
    char *start; /* the key as it is written: its name in quotes, and a colon */
    Py_ssize_t length;
    unsigned long long head, mask; /* its first bytes, up to eight: most others differ there */
    Node *value;
} Key;

#define HASHES 512
#define HASH(head) (((head) * 0x9e3779b97f4a7c15ULL) >> 55)

struct Node {
    Kind kind;
    int place;    /* of a value that is wanted, in the answer; of a literal, among the literals */
    int count;    /* of keys or elements */
    unsigned long long mask, hashes[HASHES / 64]; /* of the heads of keys, as far as all have them: what is wanted */
    Key *keys;    /* of an object */
    Node **parts; /* of an array */
    PyObject *literal;
};

#define MOST 64 /* values in an answer, keys of an object, elements of an array */
#define MOST_NUMBERS 1024
#define DEEPEST 16

typedef struct {
    PyObject_HEAD
    Node *root;
    PyObject *start; /* bytes that a frame begins with, or it is none of this form */
    int wanted, literals;
    char optional[MOST];
} Pick;

typedef struct {
    const char *at, *end;
    PyObject **found;
    double *numbers; /* of the array of any length that is being read, or NULL */
    int numbers_count;
    unsigned long long literals; /* a bit for each that was read */
} Cursor;

/* -- forms -- */

static void
forget(Node *node)
{
    if (node == NULL)
        return;
    if (node->keys != NULL)
        for (int i = 0; i < node->count; i++) {
            forget(node->keys[i].value);
            PyMem_Free(node->keys[i].start);
        }
    if (node->parts != NULL)
        for (int i = 0; i < node->count; i++)
            forget(node->parts[i]);
    PyMem_Free(node->keys);
    Py_XDECREF(node->literal);
    PyMem_Free(node->parts);
    PyMem_Free(node);
}

static Node *learn(Pick *pick, PyObject *form, int optional, int among);

static int
learn_parts(Pick *pick, Node *node, PyObject *form, Py_ssize_t first, int optional, int among)
{
    Py_ssize_t count = PySequence_Fast_GET_SIZE(form) - first;
    if (count < 1 || count > MOST || (node->parts = PyMem_Calloc(count, sizeof *node->parts)) == NULL)
        return -1;
    for (; node->count < count; node->count++)
        if ((node->parts[node->count] =
                    learn(pick, PySequence_Fast_GET_ITEM(form, first + node->count), optional, among)) == NULL)
            return -1;
    return 0;
}

static int
learn_keys(Pick *pick, Node *node, PyObject *form, int optional, int among)
{
    Py_ssize_t position = 0, count = PyDict_GET_SIZE(form);
    PyObject *name, *value;
    if (count < 1 || count > MOST || (node->keys = PyMem_Calloc(count, sizeof *node->keys)) == NULL)
        return -1;
    while (PyDict_Next(form, &position, &name, &value)) { /* a shorter key has the smaller mask */
        Key *key = &node->keys[node->count];
        Py_ssize_t length;
        const char *text = PyUnicode_Check(name) ? PyUnicode_AsUTF8AndSize(name, &length) : NULL;
        if (text == NULL || (key->start = PyMem_Malloc(length + 3)) == NULL)
            return -1;
        node->count++;
        int missing = length > 0 && text[length - 1] == '?';
        length -= missing;
        key->start[0] = '"';
        memcpy(key->start + 1, text, length);
        memcpy(key->start + 1 + length, "\":", 2);
        key->length = length + 3;
        unsigned char mask[8] = {0};
        memset(mask, 0xff, key->length < 8 ? key->length : 8);
        memcpy(&key->mask, mask, 8);
        memcpy(&key->head, key->start, key->length < 8 ? key->length : 8);
        if ((key->value = learn(pick, value, optional || missing, among)) == NULL)
            return -1;
        node->mask = node->count == 1 || key->mask < node->mask ? key->mask : node->mask;
    }
    for (int i = 0; i < node->count; i++) {
        unsigned long long hash = HASH(node->keys[i].head & node->mask);
        node->hashes[hash / 64] |= 1ULL << hash % 64;
    }
    return 0;
}

/* A form as nodes; NULL, perhaps with an exception, if it is none. among: whether it is within [..., form]. */
static Node *
learn(Pick *pick, PyObject *form, int optional, int among)
{
    Node *node = PyMem_Calloc(1, sizeof *node);
    if (node == NULL)
        return NULL;
    node->place = -1;
    int known = 0;
    if (PyUnicode_Check(form)) {
        known = 1;
        if (PyUnicode_CompareWithASCIIString(form, "number") == 0)
            node->kind = NUMBER;
        else if (PyUnicode_CompareWithASCIIString(form, "quantity") == 0)
            node->kind = QUANTITY;
        else if (PyUnicode_CompareWithASCIIString(form, "positive") == 0)
            node->kind = POSITIVE;
        else if (!among && PyUnicode_CompareWithASCIIString(form, "text") == 0)
            node->kind = TEXT;
        else if (!among && PyUnicode_CompareWithASCIIString(form, "integer") == 0)
            node->kind = INTEGER;
        else if (!among && PyUnicode_CompareWithASCIIString(form, "nanoseconds") == 0)
            node->kind = NANOSECONDS;
        else
            known = 0;
    } else if (PyBytes_CheckExact(form) && !among && !optional && pick->literals < MOST) {
        node->kind = LITERAL;
        node->literal = Py_NewRef(form);
        node->place = pick->literals++;
        known = 1;
    } else if (PyDict_CheckExact(form)) {
        node->kind = OBJECT;
        known = learn_keys(pick, node, form, optional, among) == 0;
    } else if (PyTuple_CheckExact(form)) {
        node->kind = BEGINS;
        known = learn_parts(pick, node, form, 0, optional, among) == 0;
    } else if (PyList_CheckExact(form) && PyList_GET_SIZE(form) == 1) {
        node->kind = ONE;
        known = learn_parts(pick, node, form, 0, optional, among) == 0;
    } else if (PyList_CheckExact(form) && PyList_GET_SIZE(form) == 2 && PyList_GET_ITEM(form, 0) == Py_Ellipsis
        && !among) {
        node->kind = MANY;
        known = learn_parts(pick, node, form, 1, optional, 1) == 0;
    }
    if (known && !among && node->kind != LITERAL && node->kind != OBJECT && node->kind != ONE && node->kind != BEGINS) {
        node->place = pick->wanted;
        if (pick->wanted < MOST)
            pick->optional[pick->wanted++] = (char)optional;
        else
            known = 0;
    }
    if (!known) {
        forget(node);
        return NULL;
    }
    return node;
}

/* -- frames. Each answers 1, or 0 where a frame is not of the form, and moves on behind what it has read. -- */

static inline int
passes(Cursor *cursor, char what)
{
    if (cursor->at >= cursor->end || *cursor->at != what)
        return 0;
    cursor->at++;
    return 1;
}

static inline int
pass_word(Cursor *cursor, const char *word, Py_ssize_t length)
{
    if (cursor->end - cursor->at < length || memcmp(cursor->at, word, length) != 0)
        return 0;
    cursor->at += length;
    return 1;
}

#define EACH(byte) (0x0101010101010101ULL * (byte))
#define HAS_ZERO(word) (((word) - EACH(0x01)) & ~(word) & EACH(0x80)) /* right up to the first byte that is zero */

/* The first byte that does not continue text as it is: a quote, a backslash, a control character, one beyond ASCII. The
   frame is a bytes object, behind whose end there is a 0. */
static inline const char *
text_end(const char *at, const char *end)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    for (; end - at >= 8; at += 8) {
        unsigned long long word;
        memcpy(&word, at, 8);
        unsigned long long stop = (word & EACH(0x80)) | ((word - EACH(0x20)) & ~word & EACH(0x80))
            | HAS_ZERO(word ^ EACH('"')) | HAS_ZERO(word ^ EACH('\\'));
        if (stop != 0)
            return at + __builtin_ctzll(stop) / 8;
    }
#endif
    while ((unsigned char)*at >= 0x20 && (unsigned char)*at < 0x80 && *at != '"' && *at != '\\')
        at++;
    return at;
}

/* Text up to its closing quote. */
static inline int
read_text(Cursor *cursor, const char **start, Py_ssize_t *length)
{
    if (!passes(cursor, '"'))
        return 0;
    const char *at = text_end(*start = cursor->at, cursor->end);
    if (at >= cursor->end || *at != '"')
        return 0;
    *length = at - *start;
    cursor->at = at + 1;
    return 1;
}

static const double POWERS[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
#define EXACT (1ULL << 53) /* up to here each integer is a double, so that one division rounds once: to the nearest */
#define MOST_FIGURES 999999999999999999ULL /* another one still fits */

/* Figures, a point and an exponent. figures: all of them as one integer; decimals: how often to divide it by ten. */
static inline int
read_figures(Cursor *cursor, int *negative, unsigned long long *figures, int *decimals)
{
    const char *at = cursor->at, *end = cursor->end;
    unsigned long long value = 0;
    *decimals = 0;
    *negative = at < end && *at == '-';
    at += *negative;
    const char *first = at;
    for (; at < end && *at >= '0' && *at <= '9'; at++) {
        if (value > MOST_FIGURES)
            return 0;
        value = 10 * value + (unsigned long long)(*at - '0');
    }
    if (at == first || (*first == '0' && at - first > 1))
        return 0;
    if (at < end && *at == '.') {
        first = ++at;
        for (; at < end && *at >= '0' && *at <= '9'; at++) {
            if (value > MOST_FIGURES)
                return 0;
            value = 10 * value + (unsigned long long)(*at - '0');
        }
        if (at == first)
            return 0;
        *decimals = (int)(at - first);
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        int less = ++at < end && *at == '-', exponent = 0;
        at += at < end && (*at == '-' || *at == '+');
        first = at;
        for (; at < end && *at >= '0' && *at <= '9' && at - first < 2; at++)
            exponent = 10 * exponent + (*at - '0');
        if (at == first)
            return 0;
        *decimals += less ? exponent : -exponent;
    }
    *figures = value;
    cursor->at = at;
    return 1;
}

static inline int
read_number(Cursor *cursor, double *number)
{
    unsigned long long figures;
    int negative, decimals, quoted = passes(cursor, '"');
    if (!read_figures(cursor, &negative, &figures, &decimals) || figures > EXACT || decimals > 22 || decimals < -22
        || (quoted && !passes(cursor, '"')))
        return 0;
    double value = decimals < 0 ? (double)figures * POWERS[-decimals] : (double)figures / POWERS[decimals];
    *number = negative ? -value : value;
    return 1;
}

static int
pass_over(Cursor *cursor, int depth)
{
    const char *start;
    Py_ssize_t length;
    unsigned long long figures;
    int negative, decimals;
    if (cursor->at >= cursor->end || depth > DEEPEST)
        return 0;
    switch (*cursor->at) {
    case '"':
        return read_text(cursor, &start, &length);
    case 't':
        return pass_word(cursor, "true", 4);
    case 'f':
        return pass_word(cursor, "false", 5);
    case 'n':
        return pass_word(cursor, "null", 4);
    case '[':
        cursor->at++;
        if (passes(cursor, ']'))
            return 1;
        do {
            if (!pass_over(cursor, depth + 1))
                return 0;
        } while (passes(cursor, ','));
        return passes(cursor, ']');
    case '{':
        cursor->at++;
        if (passes(cursor, '}'))
            return 1;
        do {
            if (!read_text(cursor, &start, &length) || !passes(cursor, ':') || !pass_over(cursor, depth + 1))
                return 0;
        } while (passes(cursor, ','));
        return passes(cursor, '}');
    default:
        return read_figures(cursor, &negative, &figures, &decimals);
    }
}

/* Take a value; its place must be free: a key that is there twice is unusual. */
static inline int
keep(Cursor *cursor, int place, PyObject *value)
{
    if (value == NULL) {
        PyErr_Clear(); /* no memory: the general parser will find out */
        return 0;
    }
    if (cursor->found[place] != NULL) {
        Py_DECREF(value);
        return 0;
    }
    cursor->found[place] = value;
    return 1;
}

static int read_node(Cursor *cursor, const Node *node);

static int
read_object(Cursor *cursor, const Node *node)
{
    if (!passes(cursor, '{'))
        return 0;
    if (passes(cursor, '}'))
        return cursor->numbers == NULL;
    int next = 0, seen = 0;
    do {
        const Key *key = NULL;
        unsigned long long head;
        if (cursor->end - cursor->at < 8)
            return 0; /* a key, its value and what closes the objects around are more, but for frames that are none */
        memcpy(&head, cursor->at, 8);
        unsigned long long hash = HASH(head & node->mask);
        int count = node->hashes[hash / 64] >> hash % 64 & 1 ? node->count : 0;
        for (int i = 0; i < count; i++) { /* most often in the order of the form */
            const Key *candidate = &node->keys[next];
            next = next + 1 < node->count ? next + 1 : 0;
            if ((head & candidate->mask) == candidate->head && pass_word(cursor, candidate->start, candidate->length)) {
                key = candidate;
                break;
            }
        }
        if (key == NULL) {
            const char *name;
            Py_ssize_t length;
            if (!read_text(cursor, &name, &length) || !passes(cursor, ':') || !pass_over(cursor, 0))
                return 0;
            continue;
        }
        /* What has a place of its own shows there if it comes twice or not at all; these have none. */
        if (cursor->numbers != NULL && key != &node->keys[seen++])
            return 0;
        if (!read_node(cursor, key->value))
            return 0;
    } while (passes(cursor, ','));
    return passes(cursor, '}') && (cursor->numbers == NULL || seen == node->count);
}

static int
read_many(Cursor *cursor, const Node *node)
{
    double numbers[MOST_NUMBERS];
    if (!passes(cursor, '['))
        return 0;
    cursor->numbers = numbers;
    cursor->numbers_count = 0;
    int good = 1;
    if (!passes(cursor, ']')) {
        do
            good = read_node(cursor, node->parts[0]);
        while (good && passes(cursor, ','));
        good = good && passes(cursor, ']');
    }
    cursor->numbers = NULL;
    if (!good)
        return 0;
    PyObject *all = PyTuple_New(cursor->numbers_count);
    for (int i = 0; all != NULL && i < cursor->numbers_count; i++) {
        PyObject *number = PyFloat_FromDouble(numbers[i]);
        if (number == NULL)
            Py_CLEAR(all);
        else
            PyTuple_SET_ITEM(all, i, number);
    }
    return keep(cursor, node->place, all);
}

static int
read_node(Cursor *cursor, const Node *node)
{
    const char *start;
    Py_ssize_t length;
    double number;
    unsigned long long figures;
    int negative, decimals, quoted;
    switch (node->kind) {
    case NUMBER:
    case QUANTITY:
    case POSITIVE:
        if (!read_number(cursor, &number) || (node->kind != NUMBER && signbit(number))
            || (node->kind == POSITIVE && number == 0.0))
            return 0;
        if (cursor->numbers == NULL)
            return keep(cursor, node->place, PyFloat_FromDouble(number));
        if (cursor->numbers_count == MOST_NUMBERS)
            return 0;
        cursor->numbers[cursor->numbers_count++] = number;
        return 1;
    case LITERAL:
        if (cursor->literals >> node->place & 1)
            return 0;
        cursor->literals |= 1ULL << node->place;
        return pass_word(cursor, PyBytes_AS_STRING(node->literal), PyBytes_GET_SIZE(node->literal));
    case TEXT:
        return read_text(cursor, &start, &length)
            && keep(cursor, node->place, PyUnicode_DecodeASCII(start, length, NULL));
    case INTEGER:
    case NANOSECONDS:
        quoted = passes(cursor, '"');
        if (!read_figures(cursor, &negative, &figures, &decimals) || decimals != 0 || figures > 9223372036854775807ULL
            || (quoted && !passes(cursor, '"')))
            return 0;
        long long whole = negative ? -(long long)figures : (long long)figures;
        return keep(cursor, node->place,
            node->kind == INTEGER ? PyLong_FromLongLong(whole) : PyFloat_FromDouble((double)whole / 1e9));
    case OBJECT:
        return read_object(cursor, node);
    case MANY:
        return read_many(cursor, node);
    case ONE:
    case BEGINS:
        if (!passes(cursor, '['))
            return 0;
        for (int i = 0; i < node->count; i++)
            if ((i > 0 && !passes(cursor, ',')) || !read_node(cursor, node->parts[i]))
                return 0;
        while (node->kind == BEGINS && passes(cursor, ','))
            if (!pass_over(cursor, 0))
                return 0;
        return passes(cursor, ']');
    }
    return 0;
}

static PyObject *
pick_read(PyObject *self, PyObject *frame)
{
    Pick *pick = (Pick *)self;
    if (!PyBytes_Check(frame)) {
        PyErr_SetString(PyExc_TypeError, "a frame is bytes");
        return NULL;
    }
    Py_ssize_t length = PyBytes_GET_SIZE(pick->start);
    if (PyBytes_GET_SIZE(frame) < length
        || memcmp(PyBytes_AS_STRING(frame), PyBytes_AS_STRING(pick->start), length) != 0)
        Py_RETURN_NONE;
    PyObject *found[MOST];
    memset(found, 0, pick->wanted * sizeof *found);
    const char *start = PyBytes_AS_STRING(frame);
    Cursor cursor = {start, start + PyBytes_GET_SIZE(frame), found, NULL, 0, 0};
    int good = read_node(&cursor, pick->root) && cursor.at == cursor.end
        && (pick->literals == 0 || cursor.literals == ~0ULL >> (64 - pick->literals));
    for (int i = 0; good && i < pick->wanted; i++)
        if (found[i] == NULL) {
            good = pick->optional[i];
            found[i] = Py_NewRef(Py_None);
        }
    PyObject *answer = good ? PyTuple_New(pick->wanted) : NULL;
    for (int i = 0; i < pick->wanted; i++)
        if (answer != NULL)
            PyTuple_SET_ITEM(answer, i, found[i]);
        else
            Py_XDECREF(found[i]);
    if (answer != NULL || (good && PyErr_Occurred()))
        return answer;
    Py_RETURN_NONE;
}

static PyObject *
pick_new(PyTypeObject *type, PyObject *args, PyObject *named)
{
    PyObject *form, *start;
    static char *names[] = {"form", "start", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, named, "OS", names, &form, &start))
        return NULL;
    Pick *pick = (Pick *)type->tp_alloc(type, 0);
    if (pick == NULL)
        return NULL;
    pick->start = Py_NewRef(start);
    pick->root = learn(pick, form, 0, 0);
    if (pick->root == NULL || pick->wanted == 0) {
        if (!PyErr_Occurred())
            PyErr_Format(PyExc_ValueError, "no form of a frame: %R", form);
        Py_DECREF(pick);
        return NULL;
    }
    return (PyObject *)pick;
}

static void
pick_dealloc(PyObject *self)
{
    forget(((Pick *)self)->root);
    Py_XDECREF(((Pick *)self)->start);
    Py_TYPE(self)->tp_free(self);
}

static PyMethodDef pick_methods[] = {
    {"read", pick_read, METH_O, "read(frame): what is wanted of it, or None if it is not of the form"},
    {NULL, NULL, 0, NULL},
};

PyTypeObject PickType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "native.hot.Pick",
    .tp_basicsize = sizeof(Pick),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "Pick(form, start): picks a few values out of frames of JSON that begin so",
    .tp_new = pick_new,
    .tp_dealloc = pick_dealloc,
    .tp_methods = pick_methods,
};
