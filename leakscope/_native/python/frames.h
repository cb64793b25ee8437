// The interpreter's frames, read where they lie: one set of inline accessors per CPython version, nothing else.
// All of it may be read without the interpreter's lock by the thread that owns the frames: nobody else changes them.
#pragma once

#define Py_BUILD_CORE 1
#include <Python.h>
#include <frameobject.h>

#include "weak.h"

#if PY_VERSION_HEX >= 0x030E0000
#include <internal/pycore_interpframe_structs.h>
#elif PY_VERSION_HEX >= 0x030B0000
#include <internal/pycore_frame.h>
#endif

namespace leakscope::python {

#if PY_VERSION_HEX < 0x030B0000
using RawFrame = PyFrameObject;

inline RawFrame* current(PyThreadState* thread) {
  return thread->frame;
}
inline RawFrame* behind(const RawFrame* frame) {
  return frame->f_back;
}
inline PyCodeObject* code_of(const RawFrame* frame) {
  return frame->f_code;
}
inline bool is_python(const RawFrame*) {
  return true;
}
inline bool has_begun(const RawFrame*) {
  return true;
}
// What tells one instruction of the process from all others. Equal bytecode is shared between code objects, so it is
// the code object's address and the instruction's number, not the instruction's address.
inline const void* position(const RawFrame* frame) {
  const auto code = reinterpret_cast<std::uintptr_t>(frame->f_code);
  return reinterpret_cast<const void*>((code << 16) ^ static_cast<std::uintptr_t>(frame->f_lasti & 0xffff));
}
inline int byte_offset(const RawFrame* frame, PyCodeObject*) {
  return frame->f_lasti * static_cast<int>(sizeof(_Py_CODEUNIT));
}
inline void position_range(PyCodeObject* code, std::uintptr_t& begin, std::uintptr_t& end) {
  begin = reinterpret_cast<std::uintptr_t>(code) << 16;
  end = begin + 0x10000;
}
inline PyObject* name_of(PyCodeObject* code) {
  return code->co_name;
}

#else
using RawFrame = _PyInterpreterFrame;

inline RawFrame* behind(const RawFrame* frame) {
  return frame->previous;
}
inline const char* code_start(PyCodeObject* code) {
  return code->co_code_adaptive;
}
inline PyObject* name_of(PyCodeObject* code) {
  return code->co_qualname;
}

#if PY_VERSION_HEX < 0x030D0000
inline RawFrame* current(PyThreadState* thread) {
  return thread->cframe->current_frame;
}
inline PyCodeObject* code_of(const RawFrame* frame) {
  return reinterpret_cast<PyCodeObject*>(frame->f_code);
}
inline const void* position(const RawFrame* frame) {
  return frame->prev_instr;
}
#else
inline RawFrame* current(PyThreadState* thread) {
  return thread->current_frame;
}
#if PY_VERSION_HEX < 0x030E0000
inline PyCodeObject* code_of(const RawFrame* frame) {
  return reinterpret_cast<PyCodeObject*>(frame->f_executable);
}
#else
inline PyCodeObject* code_of(const RawFrame* frame) {
  return reinterpret_cast<PyCodeObject*>(frame->f_executable.bits &
                                         ~std::uintptr_t{3});  // low bits are a tag
}
#endif
inline const void* position(const RawFrame* frame) {
  return frame->instr_ptr;
}
#endif

inline int byte_offset(const RawFrame* frame, PyCodeObject* code) {
  return static_cast<int>(static_cast<const char*>(position(frame)) - code_start(code));
}

inline void position_range(PyCodeObject* code, std::uintptr_t& begin, std::uintptr_t& end) {
  begin =
      reinterpret_cast<std::uintptr_t>(code);  // an instruction before the first one is still the code's own
  end = reinterpret_cast<std::uintptr_t>(code_start(code)) +
        static_cast<std::uintptr_t>(Py_SIZE(code)) * sizeof(_Py_CODEUNIT);
}

// Frames that the interpreter puts between its C stack and Python code from 3.12 on are nobody's.
#if PY_VERSION_HEX < 0x030C0000
inline bool is_python(const RawFrame*) {
  return true;
}
#else
inline bool is_python(const RawFrame* frame) {
  return frame->owner < 3;
}
#endif

// Only the newest frame may be one that is still being set up.
inline bool has_begun(const RawFrame* frame) {
  PyCodeObject* code = code_of(frame);
  return frame->owner == FRAME_OWNED_BY_GENERATOR ||
         static_cast<const char*>(position(frame)) >=
             code_start(code) + code->_co_firsttraceable * static_cast<int>(sizeof(_Py_CODEUNIT));
}
#endif

inline RawFrame* caller(const RawFrame* frame) {
  RawFrame* found = behind(frame);
  while (found != nullptr && !is_python(found)) found = behind(found);
  return found;
}

inline RawFrame* newest(PyThreadState* thread) {
  RawFrame* frame = current(thread);
  while (frame != nullptr && (!is_python(frame) || !has_begun(frame))) frame = behind(frame);
  return frame;
}

}  // namespace leakscope::python
