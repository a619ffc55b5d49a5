/* Who sent a signal: a SA_SIGINFO handler in front of the one that was there.

   In signal context only async-signal-safe functions are called: getpid, open, read, close,
   clock_gettime, sigaction, raise, and lock-free atomics. No Python, no allocation, no lock. */

#include <Python.h>
#include <structmember.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Not Py_RETURN_TRUE: the headers of 3.12 and later take no reference there, which 3.10 and 3.11 need. */

#define SIGNALS 65
#define SLOTS 64
#define COMMAND 256
#define NAME 64
/* Another handler may put itself in front of ours and call it (faulthandler does), and we come in
   front of that one again: each of our places in such a chain must know what it calls. */
#define LEVELS 8
/* A chain that leads back to itself is cut here. Nobody is known to make one. */
#define DEEPEST 64

#if ATOMIC_INT_LOCK_FREE != 2
#error "atomic integers must be lock-free in signal handlers"
#endif

struct arrival {
    atomic_int ready;
    int signo, code, pid, uid, parent;
    struct timespec at;
    int name_size, command_size, parent_size;
    char name[NAME], command[COMMAND], parent_command[COMMAND];
};

static struct arrival ring[SLOTS];
static atomic_uint head, tail, overflow;
static atomic_int owner;

static struct sigaction before[SIGNALS][LEVELS];
static atomic_int used[SIGNALS][LEVELS];
static atomic_int depth[SIGNALS];

/* A forked child inherits what came to its parent: that is not its own. */
static void
own(void)
{
    int me = (int)getpid();
    int theirs = atomic_load(&owner);
    if (theirs == me || !atomic_compare_exchange_strong(&owner, &theirs, me)) {
        return;
    }
    for (int i = 0; i < SLOTS; i++) {
        atomic_store(&ring[i].ready, 0);
    }
    atomic_store(&overflow, 0);
    atomic_store(&tail, 0);
    atomic_store(&head, 0);
}

static int
slurp(int pid, const char *what, char *into, int size)
{
    char path[48] = "/proc/", digits[12];
    int at = 6, count = 0, got;
    do {
        digits[count++] = (char)('0' + pid % 10);
        pid /= 10;
    } while (pid);
    while (count) {
        path[at++] = digits[--count];
    }
    path[at++] = '/';
    while (*what) {
        path[at++] = *what++;
    }
    path[at] = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        return 0;
    }
    got = (int)read(fd, into, (size_t)size);
    close(fd);
    return got < 0 ? 0 : got;
}

/* Read "pid (name) S ppid ...": a name may hold spaces and brackets, so count from the last one. */
static void
identify(struct arrival *one)
{
    char stat[512];
    int got = slurp(one->pid, "stat", stat, (int)sizeof stat), first = 0, last = got - 1;
    while (first < got && stat[first] != '(') {
        first++;
    }
    while (last > first && stat[last] != ')') {
        last--;
    }
    if (first >= last) {
        return;
    }
    one->name_size = last - first - 1 < NAME ? last - first - 1 : NAME;
    memcpy(one->name, stat + first + 1, (size_t)one->name_size);
    for (int at = last + 4; at < got && stat[at] >= '0' && stat[at] <= '9'; at++) {
        one->parent = one->parent * 10 + (stat[at] - '0');
    }
}

static void
note(int signo, const siginfo_t *info)
{
    own();
    unsigned at = atomic_load(&head);
    do {
        if (at - atomic_load(&tail) >= SLOTS) {
            /* The first ones matter: later ones are counted only. */
            atomic_fetch_add(&overflow, 1);
            return;
        }
    } while (!atomic_compare_exchange_weak(&head, &at, at + 1));
    struct arrival *one = &ring[at % SLOTS];
    one->signo = signo;
    one->code = info->si_code;
    one->pid = one->uid = -1;
    one->parent = one->name_size = one->command_size = one->parent_size = 0;
    clock_gettime(CLOCK_REALTIME, &one->at);
    if (info->si_code == SI_USER || info->si_code == SI_QUEUE || info->si_code == SI_TKILL) {
        one->pid = (int)info->si_pid;
        one->uid = (int)info->si_uid;
    }
    if (one->pid > 0) {
        identify(one);
        one->command_size = slurp(one->pid, "cmdline", one->command, COMMAND);
        if (one->parent > 0) {
            one->parent_size = slurp(one->parent, "cmdline", one->parent_command, COMMAND);
        }
    }
    atomic_store(&one->ready, 1);
}

static void
arrive(int level, int signo, siginfo_t *info, void *context)
{
    int saved = errno;
    if (atomic_fetch_add(&depth[signo], 1) < DEEPEST) {
        const struct sigaction *old = &before[signo][level];
        if (info != NULL) {
            note(signo, info);
        }
        errno = saved;
        if (old->sa_flags & SA_SIGINFO) {
            old->sa_sigaction(signo, info, context);
        }
        else if (old->sa_handler == SIG_DFL) {
            /* Blocked until we return, then it ends the process as it would have without us. */
            sigaction(signo, old, NULL);
            raise(signo);
        }
        else if (old->sa_handler != SIG_IGN) {
            old->sa_handler(signo);
        }
        saved = errno;
    }
    atomic_fetch_sub(&depth[signo], 1);
    errno = saved;
}

#define PLACE(n) \
    static void level_##n(int signo, siginfo_t *info, void *context) { arrive(n, signo, info, context); }
PLACE(0) PLACE(1) PLACE(2) PLACE(3) PLACE(4) PLACE(5) PLACE(6) PLACE(7)

typedef void (*handler)(int, siginfo_t *, void *);
static const handler levels[LEVELS] = {
    level_0, level_1, level_2, level_3, level_4, level_5, level_6, level_7,
};

static int
level_of(const struct sigaction *action)
{
    for (int level = 0; (action->sa_flags & SA_SIGINFO) && level < LEVELS; level++) {
        if (action->sa_sigaction == levels[level]) {
            return level;
        }
    }
    return -1;
}

static int
same(const struct sigaction *one, const struct sigaction *other)
{
    int info = one->sa_flags & SA_SIGINFO;
    if (info != (other->sa_flags & SA_SIGINFO)) {
        return 0;
    }
    return info ? one->sa_sigaction == other->sa_sigaction : one->sa_handler == other->sa_handler;
}

/* The place from which we have called this handler before, else a new one. */
static int
place_for(int signo, const struct sigaction *now)
{
    for (int level = 0; level < LEVELS; level++) {
        if (!atomic_load(&used[signo][level]) || same(&before[signo][level], now)) {
            return level;
        }
    }
    return -1;
}

static int
signal_number(PyObject *argument)
{
    long signo = PyLong_AsLong(argument);
    if (signo == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (signo < 1 || signo >= SIGNALS) {
        PyErr_SetString(PyExc_ValueError, "signal number out of range");
        return -1;
    }
    return (int)signo;
}

static PyObject *
watch(PyObject *Py_UNUSED(module), PyObject *argument)
{
    int signo = signal_number(argument);
    struct sigaction now, ours;
    if (signo < 0) {
        return NULL;
    }
    if (sigaction(signo, NULL, &now) < 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    /* No handler of ours is running here; one that was left by a jump must not count for ever. */
    atomic_store(&depth[signo], 0);
    if (level_of(&now) >= 0) {
        return PyBool_FromLong(1);
    }
    int level = !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_IGN ? -1 : place_for(signo, &now);
    if (level < 0) {
        return PyBool_FromLong(0);
    }
    before[signo][level] = now;
    atomic_store(&used[signo][level], 1);
    ours = now;
    ours.sa_flags |= SA_SIGINFO;
    ours.sa_sigaction = levels[level];
    if (sigaction(signo, &ours, NULL) < 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return PyBool_FromLong(1);
}

static PyObject *
unwatch(PyObject *Py_UNUSED(module), PyObject *argument)
{
    int signo = signal_number(argument);
    struct sigaction now;
    if (signo < 0) {
        return NULL;
    }
    if (sigaction(signo, NULL, &now) < 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    int level = level_of(&now);
    if (level < 0) {
        return PyBool_FromLong(0);
    }
    if (sigaction(signo, &before[signo][level], NULL) < 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return PyBool_FromLong(1);
}

static PyTypeObject *Arrival;

static PyObject *
told(const struct arrival *one)
{
    PyObject *values[] = {
        PyLong_FromLong(one->signo),
        PyLong_FromLong(one->code),
        PyLong_FromLong(one->pid),
        PyLong_FromLong(one->uid),
        PyFloat_FromDouble((double)one->at.tv_sec + (double)one->at.tv_nsec / 1e9),
        PyBytes_FromStringAndSize(one->name, one->name_size),
        PyBytes_FromStringAndSize(one->command, one->command_size),
        PyLong_FromLong(one->parent),
        PyBytes_FromStringAndSize(one->parent_command, one->parent_size),
    };
    const int count = (int)(sizeof values / sizeof *values);
    PyObject *result = PyStructSequence_New(Arrival);
    int whole = result != NULL;
    for (int i = 0; i < count; i++) {
        whole = whole && values[i] != NULL;
    }
    for (int i = 0; i < count; i++) {
        if (whole) {
            PyStructSequence_SetItem(result, i, values[i]);
        }
        else {
            Py_XDECREF(values[i]);
        }
    }
    if (!whole) {
        Py_XDECREF(result);
        return NULL;
    }
    return result;
}

static PyObject *
take(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(nothing))
{
    own();
    PyObject *result = PyList_New(0);
    if (result == NULL) {
        return NULL;
    }
    for (;;) {
        unsigned at = atomic_load(&tail);
        struct arrival *one = &ring[at % SLOTS];
        if (at == atomic_load(&head) || !atomic_load(&one->ready)) {
            return result;
        }
        PyObject *arrival = told(one);
        if (arrival == NULL || PyList_Append(result, arrival) < 0) {
            Py_XDECREF(arrival);
            Py_DECREF(result);
            return NULL;
        }
        Py_DECREF(arrival);
        atomic_store(&one->ready, 0);
        atomic_store(&tail, at + 1);
    }
}

static PyObject *
lost(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(nothing))
{
    own();
    return PyLong_FromUnsignedLong(atomic_load(&overflow));
}

static PyStructSequence_Field fields[] = {
    {"signo", "the signal's number"},
    {"code", "si_code"},
    {"pid", "the sender's pid; 0 outside this PID namespace; -1 where the kernel or a timer sent it"},
    {"uid", "the sender's real user, -1 where there is none"},
    {"at", "epoch seconds"},
    {"name", "the sender's name (/proc/PID/stat), empty where it was gone"},
    {"command", "the first bytes of /proc/PID/cmdline, empty where it was gone"},
    {"parent", "the pid of the sender's parent, 0 where unknown"},
    {"parent_command", "the first bytes of the parent's /proc/PID/cmdline"},
    {NULL, NULL},
};

static PyStructSequence_Desc description = {
    "bootcheck_siginfo.Arrival", "One signal that came, and who sent it.", fields, 9,
};

static PyMethodDef methods[] = {
    {"watch", watch, METH_O,
     "watch(signo) -> bool\n\nKeep the senders of this signal from now on, in front of the handler that is there."},
    {"unwatch", unwatch, METH_O,
     "unwatch(signo) -> bool\n\nPut back what was there; False where something stands in front of it."},
    {"take", take, METH_NOARGS, "take() -> list\n\nReturn what came since the last call, oldest first."},
    {"lost", lost, METH_NOARGS, "lost() -> int\n\nReturn how many came while the list was full."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_siginfo", "Who sent a signal.", -1, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC
PyInit__siginfo(void)
{
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL) {
        return NULL;
    }
    if (Arrival == NULL) {
        Arrival = PyStructSequence_NewType(&description);
    }
    if (Arrival == NULL || PyModule_AddIntConstant(module, "COMMAND_SIZE", COMMAND) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    Py_INCREF(Arrival);
    if (PyModule_AddObject(module, "Arrival", (PyObject *)Arrival) < 0) {
        Py_DECREF(Arrival);
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
