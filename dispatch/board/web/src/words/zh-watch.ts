// What is said of the centre itself, in Chinese: its troubles, its test press, and what is not stored yet.

export const watchZh = {
  codes: {
    trouble: {
      possible_gap: '与消息服务器的连接中断期间可能漏接呼叫，请电话核实重点住户。',
      auditor: '有时限已到而系统没有动作。请人工盯住每个未结呼叫，并通知运维。',
      canary: '自检呼叫没有回应，真实呼叫也可能收不到。请立即通知运维。',
      no_board: '没有人打开值守席页面。',
      nobody_answers: '紧急呼叫在等待，而无人接听。',
    },
  },
  text: {
    centre: '指挥中心',
    canary: '自检正常 {time}',
    canaryWhy: '系统每隔一段时间自动按一次测试终端：{stored_ms} 毫秒存妥[，{shown_ms} 毫秒上屏]',
    canaryNever: '自检尚未完成',
    outage: '数据库自 {time} 起中断：列表停在当时。新的按键在此列出，尚未入库，请直接打电话。恢复后自动成为呼叫。',
    slow: '以下按键尚未入库，请准备打电话。入库后自动成为呼叫。',
    notStored: '未入库',
    pressed: '按了 {n} 次',
    unknown: '终端 {id}（未登记或尚未载入）',
    more: '另有 {n} 户未列出',
    full: '未确认消息已占 {window} 个位置中的 {used} 个，可能还有呼叫在等待而看不到。',
    list: '未入库的按键',
  },
};

/** The same in another language. */
export type WatchWords = typeof watchZh;
