/* The two steps that every quote takes, in C: into our units, and into the store.

   Each has a twin in Python that says the same: `touch` and `ladder` in feeds/exchanges/_fields.py,
   `SnapshotStore.write` in store/snapshot.py. Whatever is not as usual is left to the twin, so that only the plain way
   is written twice; tests compare the two. The classes are those of the product: their fields are read where their
   member descriptors say that they lie.

   Every object is touched with the interpreter lock held, and nothing that `write` does lets go of it: it runs no
   Python, and makes nothing that the garbage collector counts, whose finalizers would. */

#include "hot.h"
#include <structmember.h>

#define MOST_ARGUMENTS 4
#define FIELD(object, offset) (*(PyObject **)((char *)(object) + (offset)))

enum { UNITS_EXCHANGE, UNITS_SYMBOL, UNITS_MULTIPLIER, UNITS_FACTOR, UNITS_INVERSE, UNITS_COUNT };
static const char *const UNITS_FIELDS[] = {"exchange", "symbol", "multiplier", "factor", "inverse"};

enum { WORD_EXCHANGE, WORD_SYMBOL, WORD_FIRST };
/* In the order of the store's fields. */
enum { QUOTE_EVENT = WORD_FIRST + 4, QUOTE_RECEIVED, QUOTE_COUNT };
static const char *const QUOTE_FIELDS[] = {
    "exchange", "symbol", "bid_price", "bid_size", "ask_price", "ask_size", "event_time", "received_time"};
#define FUNDING_NUMBERS 5
enum { FUNDING_RECEIVED = WORD_FIRST + FUNDING_NUMBERS, FUNDING_COUNT };
static const char *const FUNDING_FIELDS[] = {"exchange", "symbol", "mark_price", "index_price", "funding_rate",
    "funding_interval_h", "next_funding_time", "received_time"};
#define TICKER_NUMBERS 4
enum { TICKER_COUNT = WORD_FIRST + TICKER_NUMBERS };
static const char *const TICKER_FIELDS[] = {
    "exchange", "symbol", "last_price", "volume_24h", "turnover_24h", "open_interest"};

enum { CELL_ROW, CELL_FIRST, CELL_CLOCK, CELL_EVENT, CELL_RECEIVED, CELL_COUNT };
static const char *const CELL_FIELDS[] = {"row", "first", "clock", "event_time", "received_time"};

static const char *const DEPTH_FIELDS[] = {"exchange", "symbol"};
enum { DEPTH_COUNT = WORD_FIRST };
static const char *const DEPTHS_FIELDS[] = {"_ladders"};

enum { CELLS_OF, CELLS_BUFFER, CELLS_COUNT };
static const char *const CELLS_FIELDS[] = {"of", "buffer"};

enum { STORE_LOCK, STORE_CELLS, STORE_CHANGED, STORE_ANCHORED, STORE_DEPTHS, STORE_VERSION, STORE_COUNT };
static const char *const STORE_FIELDS[] = {"_lock", "_cells", "_changed", "_anchored", "depths", "version"};

enum { CLOCK_FLOOR, CLOCK_LOWEST, CLOCK_ROTATES, CLOCK_HEARD, CLOCK_LONGEST, CLOCK_PAUSES_END, CLOCK_EXCESS,
    CLOCK_COUNT };
static const char *const CLOCK_FIELDS[] = {
    "floor_s", "lowest_s", "rotates_at", "heard_at", "longest_s", "pauses_end_at", "excess"};

static struct {
    PyTypeObject *units, *quote, *funding, *ticker, *depth, *cell, *clock, *cells, *depths, *store;
    Py_ssize_t units_at[UNITS_COUNT], quote_at[QUOTE_COUNT], funding_at[FUNDING_COUNT], ticker_at[TICKER_COUNT],
        depth_at[DEPTH_COUNT], cell_at[CELL_COUNT], clock_at[CLOCK_COUNT], cells_at[CELLS_COUNT], depths_at[1],
        store_at[STORE_COUNT];
    Py_ssize_t mark, last, width; /* where a cell's mark and last price lie, and how many numbers it has */
    double late_s;
    PyObject *now, *append, *locked, *rest, *one; /* time.perf_counter, deque.append, the lock's `locked`, write, 1 */
} known;

/* Where the named fields of a class lie. Each must be an object's. */
static int
find(PyTypeObject *type, const char *const *names, Py_ssize_t *at, int count)
{
    for (int i = 0; i < count; i++) {
        PyObject *member = PyObject_GetAttrString((PyObject *)type, names[i]);
        if (member == NULL)
            return -1;
        int fits = Py_IS_TYPE(member, &PyMemberDescr_Type)
            && ((PyMemberDescrObject *)member)->d_member->type == T_OBJECT_EX;
        if (fits)
            at[i] = ((PyMemberDescrObject *)member)->d_member->offset;
        Py_DECREF(member);
        if (!fits) {
            PyErr_Format(PyExc_TypeError, "%s.%s is no slot", type->tp_name, names[i]);
            return -1;
        }
    }
    return 0;
}

static void
hold(PyObject **where, PyObject *object)
{
    Py_INCREF(object);
    Py_XSETREF(*where, object);
}

static PyObject *
use_units(PyObject *module, PyObject *args)
{
    PyTypeObject *units, *quote;
    if (!PyArg_ParseTuple(args, "O!O!", &PyType_Type, &units, &PyType_Type, &quote)
        || find(units, UNITS_FIELDS, known.units_at, UNITS_COUNT) < 0)
        return NULL;
    hold((PyObject **)&known.quote, (PyObject *)quote);
    hold((PyObject **)&known.units, (PyObject *)units);
    Py_RETURN_NONE;
}

static PyObject *
use_store(PyObject *module, PyObject *args)
{
    PyTypeObject *quote, *funding, *ticker, *depth, *cell, *clock, *cells, *depths, *store;
    PyObject *now, *append, *locked;
    Py_ssize_t mark, last, width;
    double late_s;
    if (!PyArg_ParseTuple(args, "(O!O!O!O!)(O!O!O!O!O!)(OOO)(nnn)d", &PyType_Type, &quote, &PyType_Type,
            &funding, &PyType_Type, &ticker, &PyType_Type, &depth, &PyType_Type, &cell, &PyType_Type, &clock,
            &PyType_Type, &cells, &PyType_Type, &depths, &PyType_Type, &store, &now, &append, &locked, &mark, &last,
            &width, &late_s)
        || find(quote, QUOTE_FIELDS, known.quote_at, QUOTE_COUNT) < 0
        || find(funding, FUNDING_FIELDS, known.funding_at, FUNDING_COUNT) < 0
        || find(ticker, TICKER_FIELDS, known.ticker_at, TICKER_COUNT) < 0
        || find(depth, DEPTH_FIELDS, known.depth_at, DEPTH_COUNT) < 0
        || find(depths, DEPTHS_FIELDS, known.depths_at, 1) < 0
        || find(cell, CELL_FIELDS, known.cell_at, CELL_COUNT) < 0
        || find(clock, CLOCK_FIELDS, known.clock_at, CLOCK_COUNT) < 0
        || find(cells, CELLS_FIELDS, known.cells_at, CELLS_COUNT) < 0
        || find(store, STORE_FIELDS, known.store_at, STORE_COUNT) < 0)
        return NULL;
    known.mark = mark, known.last = last, known.width = width, known.late_s = late_s;
    hold((PyObject **)&known.quote, (PyObject *)quote);
    hold((PyObject **)&known.funding, (PyObject *)funding);
    hold((PyObject **)&known.ticker, (PyObject *)ticker);
    hold((PyObject **)&known.depth, (PyObject *)depth);
    hold((PyObject **)&known.depths, (PyObject *)depths);
    hold((PyObject **)&known.cell, (PyObject *)cell);
    hold((PyObject **)&known.clock, (PyObject *)clock);
    hold((PyObject **)&known.cells, (PyObject *)cells);
    hold((PyObject **)&known.store, (PyObject *)store);
    hold(&known.now, now);
    hold(&known.append, append);
    hold(&known.locked, locked);
    Py_RETURN_NONE;
}

static inline int
is_size(double number)
{
    return number > 0.0 && number < Py_HUGE_VAL;
}

/* touch(units, bid, bid_size, ask, ask_size, event_time, received_time) -> Quote | None */
static PyObject *
touch(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 7 || known.units == NULL || !PyObject_TypeCheck(args[0], known.units)) {
        PyErr_SetString(PyExc_TypeError, "touch takes units, four numbers and two times");
        return NULL;
    }
    double quoted[4];
    for (int i = 0; i < 4; i++) {
        PyObject *number = args[1 + i];
        if (!PyFloat_CheckExact(number)) {
            quoted[i] = PyFloat_AsDouble(number);
            if (quoted[i] == -1.0 && PyErr_Occurred())
                return NULL;
        } else
            quoted[i] = PyFloat_AS_DOUBLE(number);
    }
    PyObject *unit[UNITS_COUNT];
    for (int i = 0; i < UNITS_COUNT; i++)
        if ((unit[i] = FIELD(args[0], known.units_at[i])) == NULL) {
            PyErr_Format(PyExc_AttributeError, "%s", UNITS_FIELDS[i]);
            return NULL;
        }
    double multiplier = PyFloat_AsDouble(unit[UNITS_MULTIPLIER]), factor = PyFloat_AsDouble(unit[UNITS_FACTOR]);
    if ((multiplier == -1.0 || factor == -1.0) && PyErr_Occurred())
        return NULL;
    double bid = quoted[0] / multiplier, bid_size = quoted[1] * factor;
    double ask = quoted[2] / multiplier, ask_size = quoted[3] * factor;
    if (unit[UNITS_INVERSE] == Py_True)
        bid_size /= bid, ask_size /= ask;
    if (!is_size(bid) || !is_size(bid_size) || !is_size(ask) || !is_size(ask_size))
        Py_RETURN_NONE;
    PyObject *field[QUOTE_COUNT + 1] = {NULL, unit[UNITS_EXCHANGE], unit[UNITS_SYMBOL], PyFloat_FromDouble(bid),
        PyFloat_FromDouble(bid_size), PyFloat_FromDouble(ask), PyFloat_FromDouble(ask_size), args[5], args[6]};
    PyObject *quote = NULL;
    if (field[3] != NULL && field[4] != NULL && field[5] != NULL && field[6] != NULL)
        quote = PyObject_Vectorcall(
            (PyObject *)known.quote, field + 1, QUOTE_COUNT | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    for (int i = 3; i < 7; i++)
        Py_XDECREF(field[i]);
    return quote;
}

/* ladder(units, numbers) -> tuple[tuple[float, float], ...] | None */
static PyObject *
ladder(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 2 || known.units == NULL || !PyObject_TypeCheck(args[0], known.units) || !PyTuple_CheckExact(args[1])
        || PyTuple_GET_SIZE(args[1]) % 2) {
        PyErr_SetString(PyExc_TypeError, "ladder takes units and a tuple of prices and sizes in turn");
        return NULL;
    }
    PyObject *multiplier_of = FIELD(args[0], known.units_at[UNITS_MULTIPLIER]);
    PyObject *factor_of = FIELD(args[0], known.units_at[UNITS_FACTOR]);
    int inverse = FIELD(args[0], known.units_at[UNITS_INVERSE]) == Py_True;
    if (multiplier_of == NULL || factor_of == NULL) {
        PyErr_SetString(PyExc_AttributeError, "units without numbers");
        return NULL;
    }
    double multiplier = PyFloat_AsDouble(multiplier_of), factor = PyFloat_AsDouble(factor_of);
    if ((multiplier == -1.0 || factor == -1.0) && PyErr_Occurred())
        return NULL;
    Py_ssize_t levels = PyTuple_GET_SIZE(args[1]) / 2;
    PyObject *all = PyTuple_New(levels);
    for (Py_ssize_t i = 0; all != NULL && i < levels; i++) {
        double quoted = PyFloat_AsDouble(PyTuple_GET_ITEM(args[1], 2 * i));
        double amount = PyFloat_AsDouble(PyTuple_GET_ITEM(args[1], 2 * i + 1));
        if ((quoted == -1.0 || amount == -1.0) && PyErr_Occurred()) {
            Py_CLEAR(all);
            break;
        }
        double price = quoted / multiplier, size = amount * factor;
        if (inverse)
            size /= price;
        if (!is_size(price) || !is_size(size)) {
            Py_DECREF(all);
            Py_RETURN_NONE;
        }
        PyObject *level = PyTuple_New(2), *first = PyFloat_FromDouble(price), *second = PyFloat_FromDouble(size);
        if (level == NULL || first == NULL || second == NULL) {
            Py_XDECREF(level), Py_XDECREF(first), Py_XDECREF(second);
            Py_CLEAR(all);
            break;
        }
        PyTuple_SET_ITEM(level, 0, first);
        PyTuple_SET_ITEM(level, 1, second);
        PyTuple_SET_ITEM(all, i, level);
    }
    return all;
}

/* The number in a field; -1 where there is none or it is something else than a float. */
static inline int
number_at(PyObject *object, Py_ssize_t at, double *number)
{
    PyObject *value = FIELD(object, at);
    if (value == NULL || !PyFloat_CheckExact(value))
        return -1;
    *number = PyFloat_AS_DOUBLE(value);
    return 0;
}

static inline void
set_field(PyObject *object, Py_ssize_t at, PyObject *value)
{
    Py_INCREF(value);
    Py_XSETREF(FIELD(object, at), value);
}

/* Note when a row first changed. */
static inline int
note(PyObject *changed, PyObject *row)
{
    int there = PyDict_Contains(changed, row);
    if (there != 0)
        return there < 0 ? -1 : 0;
    PyObject *now = PyObject_CallNoArgs(known.now);
    if (now == NULL)
        return -1;
    int done = PyDict_SetItem(changed, row, now);
    Py_DECREF(now);
    return done;
}

/* What may be None changes nothing: 1 if all are numbers or None, and then `numbers` has those that are `given`. */
static inline int
numbers_at(PyObject *word, const Py_ssize_t *at, int count, double *numbers, int *given)
{
    for (int i = 0; i < count; i++) {
        PyObject *value = FIELD(word, at[i]);
        given[i] = value != Py_None;
        if (given[i] && (value == NULL || !PyFloat_CheckExact(value)))
            return 0;
        if (given[i])
            numbers[i] = PyFloat_AS_DOUBLE(value);
    }
    return 1;
}

/* 1 if the quote was written, 0 if it is not plain and nothing was done, -1 with an exception. */
static int
write_quote(PyObject *quote, PyObject *cell, double *numbers, PyObject *changed)
{
    double told[6], event_before, floor_s, lowest_s, rotates_at, heard_at, longest_s, pauses_end_at;
    for (int i = 0; i < 6; i++)
        if (number_at(quote, known.quote_at[WORD_FIRST + i], &told[i]) < 0)
            return 0;
    double event_time = told[4], received_time = told[5];
    PyObject *clock = FIELD(cell, known.cell_at[CELL_CLOCK]), *row = FIELD(cell, known.cell_at[CELL_ROW]);
    if (row == NULL || clock == NULL || !Py_IS_TYPE(clock, known.clock))
        return 0;
    const Py_ssize_t *at = known.clock_at;
    PyObject *excess = FIELD(clock, at[CLOCK_EXCESS]);
    if (excess == NULL || number_at(cell, known.cell_at[CELL_EVENT], &event_before) < 0
        || number_at(clock, at[CLOCK_FLOOR], &floor_s) < 0 || number_at(clock, at[CLOCK_LOWEST], &lowest_s) < 0
        || number_at(clock, at[CLOCK_ROTATES], &rotates_at) < 0 || number_at(clock, at[CLOCK_HEARD], &heard_at) < 0
        || number_at(clock, at[CLOCK_LONGEST], &longest_s) < 0
        || number_at(clock, at[CLOCK_PAUSES_END], &pauses_end_at) < 0)
        return 0;
    double raw = received_time - event_time, lag = raw - floor_s;
    if (event_time < event_before || (lag > known.late_s && event_time == event_before) || raw < lowest_s
        || received_time >= rotates_at || received_time - heard_at > longest_s || received_time >= pauses_end_at)
        return 0;
    if (lag < 0.0)
        lag = 0.0;
    PyObject *late = PyFloat_FromDouble(lag);
    if (late == NULL)
        return -1;
    PyObject *pair[] = {excess, late};
    PyObject *done = PyObject_Vectorcall(known.append, pair, 2, NULL);
    Py_DECREF(late);
    if (done == NULL)
        return -1;
    Py_DECREF(done);
    if (note(changed, row) < 0)
        return -1;
    set_field(clock, at[CLOCK_HEARD], FIELD(quote, known.quote_at[QUOTE_RECEIVED]));
    set_field(cell, known.cell_at[CELL_EVENT], FIELD(quote, known.quote_at[QUOTE_EVENT]));
    set_field(cell, known.cell_at[CELL_RECEIVED], FIELD(quote, known.quote_at[QUOTE_RECEIVED]));
    memcpy(numbers, told, sizeof told);
    numbers[6] = lag;
    numbers[7] = 1.0;
    return 1;
}

static int
write_funding(PyObject *word, PyObject *cell, double *numbers, PyObject *anchored)
{
    double told[FUNDING_NUMBERS], received_time;
    int given[FUNDING_NUMBERS];
    PyObject *row = FIELD(cell, known.cell_at[CELL_ROW]);
    if (row == NULL || !numbers_at(word, known.funding_at + WORD_FIRST, FUNDING_NUMBERS, told, given)
        || number_at(word, known.funding_at[FUNDING_RECEIVED], &received_time) < 0)
        return 0;
    if (note(anchored, row) < 0)
        return -1;
    for (int i = 0; i < FUNDING_NUMBERS; i++)
        if (given[i])
            numbers[known.mark + i] = told[i];
    numbers[known.mark + FUNDING_NUMBERS] = received_time;
    return 1;
}

static int
write_ticker(PyObject *word, double *numbers)
{
    double told[TICKER_NUMBERS];
    int given[TICKER_NUMBERS];
    if (!numbers_at(word, known.ticker_at + WORD_FIRST, TICKER_NUMBERS, told, given))
        return 0;
    for (int i = 0; i < TICKER_NUMBERS; i++)
        if (given[i])
            numbers[known.last + i] = told[i];
    return 1;
}

/* 1 if nobody watches this book, else 0. */
static int
is_unwatched(PyObject *depths, PyObject *exchange, PyObject *symbol)
{
    PyObject *ladders = PyObject_TypeCheck(depths, known.depths) ? FIELD(depths, known.depths_at[0]) : NULL;
    if (ladders == NULL || !PyDict_CheckExact(ladders))
        return 0;
    PyObject *of = PyDict_GetItemWithError(ladders, exchange);
    if (of == NULL)
        return PyErr_Occurred() ? -1 : 1;
    int there = PyDict_CheckExact(of) ? PyDict_Contains(of, symbol) : 1;
    return there < 0 ? -1 : !there;
}

/* As the three above; 1 also where the word is about a contract that is not listed or a book that nobody watches. */
static int
write_word(PyObject *word, PyObject *of, Py_buffer *buffer, PyObject *const *store)
{
    PyTypeObject *kind = Py_TYPE(word);
    const Py_ssize_t *at = kind == known.quote ? known.quote_at
        : kind == known.funding                ? known.funding_at
        : kind == known.ticker                 ? known.ticker_at
        : kind == known.depth                  ? known.depth_at
                                               : NULL;
    if (at == NULL)
        return 0;
    PyObject *exchange = FIELD(word, at[WORD_EXCHANGE]), *symbol = FIELD(word, at[WORD_SYMBOL]);
    if (exchange == NULL || symbol == NULL || !PyUnicode_CheckExact(exchange) || !PyUnicode_CheckExact(symbol))
        return 0;
    if (kind == known.depth)
        return is_unwatched(store[STORE_DEPTHS], exchange, symbol);
    PyObject *cells = PyDict_GetItemWithError(of, exchange);
    if (cells == NULL || !PyDict_CheckExact(cells))
        return PyErr_Occurred() ? -1 : 0;
    PyObject *cell = PyDict_GetItemWithError(cells, symbol);
    if (cell == NULL)
        return PyErr_Occurred() ? -1 : 1;
    PyObject *place = Py_IS_TYPE(cell, known.cell) ? FIELD(cell, known.cell_at[CELL_FIRST]) : NULL;
    if (place == NULL)
        return 0;
    Py_ssize_t first = PyLong_AsSsize_t(place);
    if (first == -1 && PyErr_Occurred())
        return -1;
    if (first < 0 || first + known.width > buffer->len / (Py_ssize_t)sizeof(double)) {
        PyErr_SetString(PyExc_IndexError, "a cell outside the buffer");
        return -1;
    }
    double *numbers = (double *)buffer->buf + first;
    if (kind == known.quote)
        return write_quote(word, cell, numbers, store[STORE_CHANGED]);
    if (kind == known.funding)
        return write_funding(word, cell, numbers, store[STORE_ANCHORED]);
    return write_ticker(word, numbers);
}

/* How many words, from the first on, were written, or -1 with an exception. While the store is locked, none. */
static Py_ssize_t
write_plain(PyObject *self, PyObject *words)
{
    PyObject *store[STORE_COUNT];
    for (int i = 0; i < STORE_COUNT; i++)
        if ((store[i] = FIELD(self, known.store_at[i])) == NULL) {
            PyErr_SetString(PyExc_AttributeError, STORE_FIELDS[i]);
            return -1;
        }
    /* Nobody else can lock it or read it meanwhile: that takes the interpreter lock, which is held until the end. */
    PyObject *locked = PyObject_Vectorcall(known.locked, &store[STORE_LOCK], 1, NULL);
    if (locked == NULL)
        return -1;
    Py_DECREF(locked);
    if (locked == Py_True || !(PyList_CheckExact(words) || PyTuple_CheckExact(words)))
        return 0;
    PyObject *cells = store[STORE_CELLS];
    PyObject *of = Py_IS_TYPE(cells, known.cells) ? FIELD(cells, known.cells_at[CELLS_OF]) : NULL;
    PyObject *buffer = of == NULL ? NULL : FIELD(cells, known.cells_at[CELLS_BUFFER]);
    if (buffer == NULL || !PyMemoryView_Check(buffer) || !PyDict_CheckExact(of)
        || !PyDict_CheckExact(store[STORE_CHANGED]) || !PyDict_CheckExact(store[STORE_ANCHORED])) {
        PyErr_SetString(PyExc_TypeError, "the store is not made as it was");
        return -1;
    }
    Py_ssize_t done = 0, all = PySequence_Fast_GET_SIZE(words);
    for (; done < all; done++) {
        int written = write_word(PySequence_Fast_GET_ITEM(words, done), of, PyMemoryView_GET_BUFFER(buffer), store);
        if (written < 0)
            return -1;
        if (written == 0)
            break;
    }
    if (done > 0) {
        PyObject *version = PyNumber_Add(store[STORE_VERSION], known.one);
        if (version == NULL)
            return -1;
        Py_SETREF(FIELD(self, known.store_at[STORE_VERSION]), version);
    }
    return done;
}

/* The method `write`: plain words here, and from the first on that is not, all by the Python that it stands before. */
static PyObject *
store_write(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    PyObject *call[MOST_ARGUMENTS];
    Py_ssize_t all = count + (names == NULL ? 0 : PyTuple_GET_SIZE(names));
    if (all >= MOST_ARGUMENTS) {
        PyErr_SetString(PyExc_TypeError, "write takes words, and whether they were polled");
        return NULL;
    }
    call[0] = self;
    memcpy(call + 1, args, all * sizeof *call);
    if (all != 1 || count != 1)
        return PyObject_Vectorcall(known.rest, call, 1 + count, names);
    Py_ssize_t done = write_plain(self, args[0]);
    if (done < 0)
        return NULL;
    if ((PyList_CheckExact(args[0]) || PyTuple_CheckExact(args[0])) && done == PySequence_Fast_GET_SIZE(args[0]))
        Py_RETURN_NONE;
    if (done == 0)
        return PyObject_Vectorcall(known.rest, call, 2, NULL);
    call[1] = PySequence_GetSlice(args[0], done, PY_SSIZE_T_MAX);
    if (call[1] == NULL)
        return NULL;
    PyObject *answer = PyObject_Vectorcall(known.rest, call, 2, NULL);
    Py_DECREF(call[1]);
    return answer;
}

static PyMethodDef store_write_method = {
    "write", (PyCFunction)(void (*)(void))store_write, METH_FASTCALL | METH_KEYWORDS, NULL};

/* write_method(write) -> the method that stands before it */
static PyObject *
write_method(PyObject *module, PyObject *rest)
{
    if (known.store == NULL) {
        PyErr_SetString(PyExc_TypeError, "no store is known");
        return NULL;
    }
    hold(&known.rest, rest);
    return PyDescr_NewMethod(known.store, &store_write_method);
}

static PyMethodDef methods[] = {
    {"use_units", use_units, METH_VARARGS, "use_units(Units, Quote): the classes that touch works with"},
    {"use_store", use_store, METH_VARARGS,
        "use_store((Quote, Funding, Ticker, Depth), (Cell, Clock, Cells, Watched, Store), (perf_counter, append, "
        "locked), (mark, last, width), late_s): the classes, calls, places and limits that write works with"},
    {"touch", (PyCFunction)(void (*)(void))touch, METH_FASTCALL,
        "touch(units, bid, bid_size, ask, ask_size, event_time, received_time): a quote in our units, or None"},
    {"ladder", (PyCFunction)(void (*)(void))ladder, METH_FASTCALL,
        "ladder(units, numbers): levels in our units, of prices and sizes in turn, or None if one is none"},
    {"write_method", write_method, METH_O,
        "write_method(write): a method of the store that leaves to write what is odd"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "hot", "Quotes into our units and into the store.", -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC
PyInit_hot(void)
{
    if (known.one == NULL && (known.one = PyLong_FromLong(1)) == NULL)
        return NULL;
    PyObject *module = PyModule_Create(&definition);
    if (module != NULL && PyModule_AddType(module, &PickType) < 0)
        Py_CLEAR(module);
    return module;
}
