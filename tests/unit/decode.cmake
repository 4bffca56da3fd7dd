# What the client's bytes say: layer by layer, and the observer over all of them.
set(here ${CMAKE_CURRENT_LIST_DIR})
set(bytes ${here}/decode_bytes.c)
foreach(name ws inflate editor calls observer scroll requests)
        ws_test(test_decode_${name} LABEL unit SOURCES ${here}/test_decode_${name}.c ${bytes}
                USES agent_decode dep::zlib)
endforeach()

# Every allocation of the decoder is counted.
ws_test(test_decode_memory LABEL unit SOURCES ${here}/test_decode_memory.c ${bytes}
        USES agent_decode dep::zlib)
target_link_options(test_decode_memory PRIVATE LINKER:--wrap=malloc LINKER:--wrap=calloc
        LINKER:--wrap=free LINKER:--wrap=realloc)

# Decoders with a planted defect, which the tests above must notice: a mask that begins anew in each
# piece, messages that are sent again and count again, a reply of the terminal taken for a key, editors
# that are laid out taken for a hand on the wheel.
set(decode_dir ${CMAKE_SOURCE_DIR}/agent/decode)
get_target_property(decode_sources agent_decode SOURCES)
list(TRANSFORM decode_sources PREPEND ${decode_dir}/)
function(decode_planted test defect)
        string(TOLOWER ${defect} name)
        set(target test_decode_planted_${name})
        ws_test(${target} LABEL unit SOURCES ${here}/test_decode_${test}.c ${bytes}
                ${decode_sources} USES agent_presence ws_http ws_base dep::zlib)
        target_compile_definitions(${target} PRIVATE DECODE_PLANTED_${defect})
        set_tests_properties(unit/${target} PROPERTIES WILL_FAIL ON)
endfunction()
decode_planted(ws MASK)
decode_planted(observer REPLAY)
decode_planted(observer FILTER)
decode_planted(scroll LAYOUT)
